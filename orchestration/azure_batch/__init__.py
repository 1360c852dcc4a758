"""Azure Batch: the client, the task specification and the pool checks."""
