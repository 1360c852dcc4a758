"""Running tasks: scheduling, task processes, task directories and file transfer."""
