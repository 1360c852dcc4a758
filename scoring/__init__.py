"""What runs on a node: batches of frames are read, scored and written, each with its segment, log and receipt."""
