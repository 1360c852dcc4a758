"""Video, audio and image processing with PyAV and Pillow: split a video, encode batches of frames, join the result."""
