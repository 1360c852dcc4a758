"""Preflight checks against the local Batch service and Azurite."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from frame_tools.contracts import paths
from frame_tools.storage.accounts import OPS, account_from
from frame_tools.storage.blobs import BlobAccount
from frame_tools.storage.queues import QueueAccount
from local_cloud.cloud import Cloud
from orchestration.azure_batch.client import BatchService
from orchestration.azure_batch.pool import NodeCounts
from orchestration.handlers.sweep import sweep
from orchestration.preflight import preflight
from tests.support.world import World


def on_batch(world: World, **settings: Any) -> World:
    """Return the same world with a Batch client for other settings."""
    changed = world.changed(**settings)
    service = BatchService(changed.app.settings, logs_url=world.storage.logs.url)
    return World(replace(changed.app, batch=service))


@pytest.fixture
def inject_resize_error(emulators: Cloud) -> Iterator[Callable[[str], None]]:
    """Return a function that has the pool report a resize error, or none for an empty code."""
    url = f"http://127.0.0.1:{emulators.ports.batch}/local/faults"

    def inject(code: str) -> None:
        body = {"kind": "resize_error", "code": code, "message": "The account has no cores left."}
        requests.post(url, data=json.dumps(body), timeout=10).raise_for_status()

    yield inject
    inject("")


def test_client_reads_pool_of_the_service(world: World) -> None:
    batch = world.app.batch
    pool = batch.pool()
    assert pool is not None
    assert (pool.vm_size, pool.state, pool.takes_containers, pool.errors) == ("local", "active", True, ())
    assert world.app.settings.node_image in pool.images
    assert [agent.node_agent for agent in batch.supported_agents()] == [pool.node_agent]
    assert batch.node_counts() == NodeCounts()
    assert on_batch(world, batch_pool_id="none").app.batch.pool() is None


def test_status_shows_exhausted_quota_while_run_waits(world: World, inject_resize_error: Callable[[str], None]) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    assert world.status_document(run_id)["trouble"] == []
    inject_resize_error("AccountCoreQuotaReached")
    sweep(world.app)
    document = world.status_document(run_id)
    assert document["status"] == "scoring"
    assert "AccountCoreQuotaReached: The account has no cores left." in document["trouble"][0]
    assert "az batch account show" in document["trouble"][0]
    inject_resize_error("")
    sweep(world.app)
    assert world.status_document(run_id)["trouble"] == []


def test_preflight_of_valid_deployment_is_ready(world: World) -> None:
    result = preflight(world.app)
    assert result["ready"], result
    checks = {check["check"] for check in result["checks"]}
    assert {
        "container input",
        "queue frame-batches",
        "pool",
        "image",
        "identity",
        "VM size",
        "node agent",
        "nodes",
        "region",
        "quota",
    } <= checks
    assert {check["verdict"] for check in result["checks"]} == {"ok", "unknown"}


def test_preflight_names_missing_resources(world: World, emulators: Cloud) -> None:
    account = account_from(emulators.settings, OPS)
    storage = replace(
        world.storage,
        logs=BlobAccount(account).container("no-such-container"),
        frame_batches=QueueAccount(account).queue("no-such-queue"),
    )
    bare = on_batch(World(replace(world.app, storage=storage)), batch_pool_id="none")
    result = preflight(bare.app)
    stops = {check["check"] for check in result["checks"] if check["verdict"] == "stop"}
    assert (result["ready"], stops) == (False, {f"container {paths.LOGS}", f"queue {paths.FRAME_BATCHES}", "pool"})
