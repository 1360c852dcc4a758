"""The any-painting network of Ghiasi et al. 2017 (https://arxiv.org/abs/1705.06830), in float, for any frame size."""
