"""The operations of the REST API on jobs, tasks, pools and nodes."""
