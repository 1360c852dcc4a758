"""Worlds on Azurite and the local Batch service, without and with nodes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from local_cloud.accounts import storage_settings
from local_cloud.batch_service.launch import running_service
from local_cloud.cloud import Cloud
from orchestration.azure_batch.client import BatchService
from tests.support.azurite_world import azurite_world
from tests.support.world import World

TASK = """#!/bin/sh
# Replaces the scorer's Python: `python -m scoring VERB --run R ...` ends with the exit code in the file R.
code=$(cat "$EXIT_CODES/$5" 2>/dev/null || echo 0)
echo "task of $5 ends with $code" >&2
exit "$code"
"""


@pytest.fixture
def world(emulators: Cloud) -> World:
    """An app with containers and queues of its own; its pool has no nodes, so tasks stay active."""
    return azurite_world(emulators.settings)


@dataclass(frozen=True)
class Nodes:
    """A Batch service with nodes whose tasks end at once."""

    url: str
    exit_codes: Path

    def set_exit_code(self, run_id: str, code: int) -> None:
        """Set the exit code of all tasks of a run that start from now on; the default is 0."""
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
def world_with_nodes(world: World, nodes: Nodes) -> World:
    """The same with a pool that has a node; Batch itself does not retry failed tasks."""
    changes = {"batch_endpoint": nodes.url, "node_image": "stub:1", "max_task_retries": 0}
    settings = world.app.settings.model_copy(update=changes)
    batch = BatchService(settings, logs_url=world.storage.logs.url)
    return World(replace(world.app, settings=settings, batch=batch))
