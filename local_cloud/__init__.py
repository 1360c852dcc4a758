"""The local cloud: Azure Storage, Batch and Functions on one machine, for development and tests; never deployed."""
