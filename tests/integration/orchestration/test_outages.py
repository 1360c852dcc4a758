"""Storage that cannot be reached, and services that accept a request and never answer it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import AzureError

import function_app
from frame_tools.contracts.errors import TemporaryError
from frame_tools.storage.accounts import Account
from frame_tools.storage.blobs import BlobAccount
from frame_tools.storage.patience import Patience
from frame_tools.storage.queues import QueueAccount
from local_cloud.accounts import OPS_ACCOUNT, OPS_KEY, Ports, connection_string, storage_settings
from local_cloud.cloud import Cloud
from orchestration.azure_batch.client import BatchService
from orchestration.handlers.poison import batch_poisoned
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from orchestration.settings import Settings
from tests.support.azurite_world import azurite_world
from tests.support.gate import Gate, gate_to, silent_server
from tests.support.host_call import call
from tests.support.world import AdjustableClock, World, create_storage, drain

BRIEF = Patience(retries=1, first_pause=0, pause_base=0, connect_seconds=1, read_seconds=1)
"""Two attempts."""


def ask_blobs(port: int) -> None:
    account = Account(setting="OPS", connection_string=connection_string(OPS_ACCOUNT, OPS_KEY, Ports(blob=port)))
    BlobAccount(account, BRIEF).container("runs").exists("x")


def ask_queues(port: int) -> None:
    account = Account(setting="OPS", connection_string=connection_string(OPS_ACCOUNT, OPS_KEY, Ports(queue=port)))
    QueueAccount(account, BRIEF).queue("frame-batches").is_created()


def ask_batch(port: int) -> None:
    settings = Settings(batch_endpoint=f"http://127.0.0.1:{port}", node_image="stub:1")
    BatchService(settings, logs_url="http://127.0.0.1/logs", patience=BRIEF).pool()


@pytest.mark.parametrize("ask", [ask_blobs, ask_queues, ask_batch])
def test_client_gives_up_on_a_service_that_never_answers(ask: Callable[[int], None]) -> None:
    with silent_server() as server:
        with pytest.raises((AzureError, TemporaryError)):
            ask(server.port)
        assert len(server.connections) == 1 + BRIEF.retries


@dataclass(frozen=True)
class GatedWorld:
    """A world whose storage can be made unreachable."""

    world: World
    gates: tuple[Gate, Gate]

    def close(self) -> None:
        for gate in self.gates:
            gate.close()

    def open(self) -> None:
        for gate in self.gates:
            gate.open()


@pytest.fixture
def gated(emulators: Cloud) -> Iterator[GatedWorld]:
    with gate_to(emulators.ports.blob) as blobs, gate_to(emulators.ports.queue) as queues:
        settings = dict(emulators.settings) | storage_settings(Ports(blob=blobs.port, queue=queues.port))
        usual = azurite_world(emulators.settings)
        storage = create_storage(settings, f"gated-{blobs.port}", patience=replace(BRIEF, retries=0))
        yield GatedWorld(World(replace(usual.app, storage=storage, clock=AdjustableClock())), (blobs, queues))


def ask(function: str, run_id: str = "") -> tuple[int, dict[str, Any]]:
    """Call an HTTP function; return status code and body."""
    parameters = {"run_id": run_id} if run_id else {}
    answer = call(function, func.HttpRequest(method="GET", url="http://localhost", route_params=parameters, body=b""))
    return answer.status_code, json.loads(answer.get_body())


def test_run_outlasts_storage_and_http_says_what_is_away(gated: GatedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world = gated.world
    monkeypatch.setattr(function_app, "application", lambda: world.app)
    run_id = world.start("clip", 4)
    texts = drain(world.storage.frame_batches)
    gated.close()
    for text in texts:
        for handler in (*[submit_batch] * 5, batch_poisoned):
            with pytest.raises(AzureError):
                handler(world.app, text)
    for _ in range(3):
        with pytest.raises((AzureError, ExceptionGroup)):
            sweep(world.app)
        world.clock.advance(minutes=2)
    for function in ("get_run", "list_runs", "cancel_run", "resubmit_run"):
        status_code, body = ask(function, "" if function == "list_runs" else run_id)
        assert (status_code, body["code"]) == (503, "temporary_failure")
        assert "Azure Storage" in body["detail"]
    status_code, body = ask("preflight")
    assert (status_code, body["ready"]) == (200, False)
    gated.open()
    for text in texts:
        batch_poisoned(world.app, text)
    assert world.status_document(run_id)["trouble"]
    world.clock.advance(minutes=2)
    sweep(world.app)
    assert len(world.tasks(run_id)) == 2
    assert world.status_document(run_id)["trouble"] == []
    assert world.finish(run_id) == "finished"
