"""A world in memory for tables of many whole runs: damaged documents, remedies, interleaved handlers."""

from tests.support.memory_fixtures import cloud, world

__all__ = ["cloud", "world"]
