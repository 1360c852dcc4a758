"""Video, sound and pictures through PyAV and Pillow: split a video, encode batches of frames, join the result."""
