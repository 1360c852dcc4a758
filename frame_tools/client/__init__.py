"""Client side of a run: upload the input, start, follow and download."""
