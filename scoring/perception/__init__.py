"""Perceptual features of pictures (VGG16) and the losses that are built on them."""
