"""Command line for users: upload, start, watch, download, resubmit, estimate, split and join."""
