"""Several runs on one node: small ones do not wait for all tasks of a large one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from local_cloud.accounts import storage_settings
from local_cloud.batch_service.launch import running_service
from local_cloud.cloud import Cloud
from orchestration.azure_batch.client import BatchService
from tests.support.waiting import until
from tests.support.world import World

TASK = """#!/bin/sh
# Replaces the scorer's Python: `python -m scoring run --run R ...` waits until the test opens the gate.
echo "$5" >> "$FOLDER/order"
while [ ! -e "$FOLDER/gate" ]; do sleep 0.05; done
"""
BATCHES = 30


@dataclass(frozen=True)
class Node:
    """A Batch service with one node that executes one task at a time."""

    url: str
    folder: Path

    def open_gate(self) -> None:
        """Let the tasks end."""
        (self.folder / "gate").touch()

    def order(self) -> list[str]:
        """Return the run ids of the tasks in the order in which they were started."""
        order = self.folder / "order"
        return order.read_text().split() if order.exists() else []


@pytest.fixture
def node(emulators: Cloud, tmp_path: Path) -> Iterator[Node]:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text(TASK)
    (programs / "python").chmod(0o755)
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "FOLDER": str(tmp_path)} | storage_settings(emulators.ports)
    with running_service(data=tmp_path / "data", pools={"gpu": (1, 1)}, images={"stub:1": environment}) as url:
        yield Node(url, tmp_path)


def test_small_runs_do_not_wait_for_a_large_one(world: World, node: Node) -> None:
    changes = {"batch_endpoint": node.url, "node_image": "stub:1", "pool_tasks": BATCHES}  # each batch has a task
    settings = world.app.settings.model_copy(update=changes)
    batch = BatchService(settings, logs_url=world.storage.logs.url)
    busy = World(replace(world.app, settings=settings, batch=batch))
    large = busy.start("large", BATCHES, frames_per_batch=1)
    busy.deliver_messages()
    until(lambda: node.order() == [large], "the large run's first task runs")
    small = [busy.start(f"small {number}", 1, frames_per_batch=1) for number in range(5)]
    busy.deliver_messages()
    node.open_gate()
    until(lambda: len(node.order()) == BATCHES + len(small), "all tasks have started", seconds=120)
    assert set(node.order()[1 : 1 + len(small)]) == set(small)
