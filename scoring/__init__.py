"""What runs on a node: a batch of frames is read, scored and written, with its segment, log and receipt."""
