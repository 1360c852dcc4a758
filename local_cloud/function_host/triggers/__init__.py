"""Triggers, one folder each: blob, queue, timer and HTTP."""
