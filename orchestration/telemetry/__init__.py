"""Tracing and the connection to Azure Monitor."""
