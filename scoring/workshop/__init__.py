"""Trials of operators' programs on this machine, with the checks and messages of a node and without a cloud."""
