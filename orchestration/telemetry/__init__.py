"""Tracing port and its Azure Monitor implementation."""
