"""Temporal smoothing: motion between frames, motion-compensated blending, and measures of flicker."""
