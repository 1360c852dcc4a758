"""A campaign of random faults against the local cloud: `python -m tests.chaos --help`, or `make chaos`."""
