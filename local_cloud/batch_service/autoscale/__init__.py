"""Autoscale formulas: the language, and the values that a pool's formula sees."""
