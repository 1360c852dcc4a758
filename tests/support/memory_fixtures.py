"""Fixtures: a world in memory for tests of handlers and runs."""

import pytest

from tests.support.memory_world import InMemoryCloud
from tests.support.world import World


@pytest.fixture
def cloud() -> InMemoryCloud:
    return InMemoryCloud()


@pytest.fixture
def world(cloud: InMemoryCloud) -> World:
    """An app with storage and Batch in memory; tasks stay active until a test ends them."""
    return cloud.world()
