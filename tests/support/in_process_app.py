"""The client's view of an app that runs in this process, on storage in memory, with nodes that score at once."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from frame_tools.client.api import ApiClient
from frame_tools.client.connection import Connection
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.trigger import Trigger
from frame_tools.storage.deployment import DataStorage
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World


@dataclass(frozen=True)
class InProcessApi(ApiClient):
    """An app in this process that finishes a run when its status is asked for the second time."""

    world: World = field(kw_only=True)
    asked: Counter[str] = field(default_factory=Counter, kw_only=True)
    lock: threading.Lock = field(default_factory=threading.Lock, kw_only=True)

    def status(self, run_id: str) -> dict[str, Any] | None:
        with self.lock:
            self.asked[run_id] += 1
            if self.asked[run_id] == 1:
                for blob in self.world.storage.triggers.list(""):
                    self.world.fire_trigger(blob.name)
            elif self.asked[run_id] == 2:
                self.world.finish(run_id)
            try:
                return self.world.status_document(run_id)
            except AssertionError:
                return None


@dataclass(frozen=True, kw_only=True)
class InProcessConnection(Connection):
    world: World
    client: InProcessApi

    def storage(self) -> DataStorage:
        storage = self.world.storage
        return DataStorage(input=storage.input, triggers=storage.triggers, output=storage.output)

    def api(self) -> ApiClient:
        return self.client

    def run_ids(self) -> list[str]:
        return sorted(self.client.asked)

    def request(self, run_id: str) -> Trigger:
        """Return the options with which a run was started."""
        return Request.load_stored(self.world.storage.runs.need(RunPaths(run_id).request).data).trigger


def connection() -> InProcessConnection:
    world = InMemoryCloud().world(max_open_runs=1000)
    client = InProcessApi(url="", world=world)
    return InProcessConnection(source="test", settings={}, url="in this process", world=world, client=client)
