"""Storage in Azurite, and a name for each run."""

import itertools

import pytest

from frame_tools.storage.deployment import DataStorage, Storage
from local_cloud.cloud import Cloud

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def storage(emulators: Cloud) -> DataStorage:
    Storage.from_environment(emulators.settings).ensure()
    return DataStorage.from_environment(emulators.settings)


@pytest.fixture
def name() -> str:
    """A run's name that no other test uses."""
    return f"upload test {next(_numbers)}"
