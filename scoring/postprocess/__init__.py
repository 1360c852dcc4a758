"""Postprocessing of scored frames: size, colors, mask, strength, transparency. Pure functions on arrays."""
