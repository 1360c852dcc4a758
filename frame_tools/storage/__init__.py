"""Blob containers and queues of the two storage accounts, and SAS URLs for outside users."""
