"""Generated sample inputs for the demo: a short video and a painting."""
