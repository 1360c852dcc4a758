"""What all tests share: quiet rules for Hypothesis and azure.batch, and Azurite with a Batch service beside it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from local_cloud.cloud import Cloud

# Times differ from machine to machine, so no example has a deadline; fixtures here are safe to share between examples.
# Examples are the same every time, so that a test turns red by the change at hand; `make hunt` draws new ones.
EVERYWHERE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("impasto", EVERYWHERE, derandomize=True)
settings.register_profile("hunt", EVERYWHERE, max_examples=5000)
settings.load_profile("impasto")


def pytest_configure(config: pytest.Config) -> None:
    """Let the Batch client's own use of `utcnow` pass; it also runs in the threads of its pollers."""
    config.addinivalue_line("filterwarnings", r"ignore:datetime\.datetime\.utcnow:DeprecationWarning:azure\.batch")


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Cloud]":
    """Azurite with both accounts, in memory, and a Batch service without nodes: tasks are taken and stay active.

    Imported here because the scorer's environment, which reads this file too, has no use for the local cloud.
    """
    from local_cloud.accounts import FREE_PORTS
    from local_cloud.cloud import CloudOptions, running_cloud

    folder = tmp_path_factory.mktemp("emulators")
    options = CloudOptions(folder=folder, ports=FREE_PORTS, in_memory=True, functions=False, nodes=0)
    with running_cloud(options) as cloud:
        yield cloud
