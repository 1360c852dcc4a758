"""Jobs, tasks, pools and nodes as values, their state transitions and their storage on disk."""
