"""An app of the test's own on Azurite and the local Batch service, and one whose pool has a node."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from local_cloud.accounts import storage_settings
from local_cloud.batch_service.launch import running_service
from local_cloud.cloud import Cloud
from orchestration.app import App
from orchestration.azure_batch.client import BatchService
from tests.support.world import World, storage_of

_numbers = itertools.count(1)

TASK = """#!/bin/sh
# Stands for the scorer's Python: `python -m scoring VERB --run R ...` ends with the exit code in the file R.
code=$(cat "$EXIT_CODES/$5" 2>/dev/null || echo 0)
echo "task of $5 ends with $code" >&2
exit "$code"
"""


@pytest.fixture
def world(emulators: Cloud) -> World:
    """An app with containers and queues of its own; its pool has no node, tasks stay active."""
    app = App.from_environment(emulators.settings)
    return World(replace(app, storage=storage_of(dict(emulators.settings), f"{next(_numbers)}")))


@dataclass(frozen=True)
class Nodes:
    """A Batch service with nodes whose tasks end at once."""

    url: str
    exit_codes: Path

    def let_end(self, run_id: str, code: int) -> None:
        """Have all tasks of a run that start from now on end with `code`; without this they end with 0."""
        (self.exit_codes / run_id).write_text(str(code))


@pytest.fixture(scope="session")
def nodes(emulators: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    folder = tmp_path_factory.mktemp("nodes")
    programs, codes = folder / "bin", folder / "codes"
    programs.mkdir()
    codes.mkdir()
    (programs / "python").write_text(TASK)
    (programs / "python").chmod(0o755)
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "EXIT_CODES": str(codes)} | storage_settings(emulators.ports)
    with running_service(data=folder / "data", pools={"gpu": (1, 2)}, images={"stub:1": environment}) as url:
        yield Nodes(url, codes)


@pytest.fixture
def busy_world(world: World, nodes: Nodes) -> World:
    """The same with a pool that has a node; failed tasks are not tried again by Batch itself."""
    changes = {"batch_endpoint": nodes.url, "node_image": "stub:1", "max_task_retries": 0}
    settings = world.app.settings.model_copy(update=changes)
    batch = BatchService(settings, logs_url=world.storage.logs.url)
    return World(replace(world.app, settings=settings, batch=batch))
