"""The command line of people: upload, start, watch, download, resubmit, estimate, split and join."""
