"""Benchmarks that anyone can run; each module docstring has its command line."""
