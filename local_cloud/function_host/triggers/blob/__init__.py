"""Blob triggers: the scan, Event Grid events, receipts and the internal queue."""
