"""Throughput of the network and the whole task, compared with alternatives: `python -m benchmarks.scoring`."""
