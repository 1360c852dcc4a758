"""A few frames in several looks on one sheet, painted on this machine without a cloud."""
