"""JSON logging and metrics."""
