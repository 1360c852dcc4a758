"""Blob containers and queues of the two storage accounts, their ports, and SAS URLs for users without an account."""
