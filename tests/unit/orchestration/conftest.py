"""A world in memory for unit tests of handlers and runs."""

from tests.support.memory_fixtures import cloud, world

__all__ = ["cloud", "world"]
