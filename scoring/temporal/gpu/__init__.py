"""Temporal smoothing in torch, for a GPU: motion, blending and sharpening of `scoring.temporal`, on tensors."""
