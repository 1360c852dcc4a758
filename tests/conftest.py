"""Fixtures and settings of all tests: Hypothesis profiles, warning filters, and local storage with a Batch service."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from local_cloud.cloud import Cloud

# Examples have no deadline, because run times differ between machines; the fixtures may be shared between examples.
# Examples are the same in every run, so that a failure comes from the change under test; `make hunt` draws new ones.
EVERYWHERE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("impasto", EVERYWHERE, derandomize=True)
settings.register_profile("hunt", EVERYWHERE, max_examples=5000)
settings.load_profile("impasto")


def pytest_configure(config: pytest.Config) -> None:
    """Ignore the Batch client's own use of `utcnow`, which also happens in its poller threads."""
    config.addinivalue_line("filterwarnings", r"ignore:datetime\.datetime\.utcnow:DeprecationWarning:azure\.batch")


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Cloud]":
    """Azurite with both accounts, in memory, and a Batch service without nodes, whose tasks stay active.

    The imports are local because the scorer's environment, which loads this file too, cannot import the local cloud.
    """
    from local_cloud.accounts import FREE_PORTS
    from local_cloud.cloud import CloudOptions, running_cloud

    folder = tmp_path_factory.mktemp("emulators")
    options = CloudOptions(folder=folder, ports=FREE_PORTS, in_memory=True, functions=False, nodes=0)
    with running_cloud(options) as cloud:
        yield cloud
