"""Azure Batch: the client, the pool's state, and the task specification."""
