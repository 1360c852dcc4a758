"""How fast are network and task here, and beside what a person would use instead? `python -m benchmarks.scoring`."""
