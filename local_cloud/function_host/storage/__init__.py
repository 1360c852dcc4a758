"""Azure Storage as the host uses it: clients, blob leases and queue message encoding."""
