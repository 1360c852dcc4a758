"""How a picture looks to a network trained to see (VGG16): features, and the losses that are made of them."""
