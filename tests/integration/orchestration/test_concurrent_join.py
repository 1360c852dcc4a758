"""Concurrent joiners on Azurite: one video, no leftover blocks, nothing committed without the lease."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from azure.storage.blob import BlobBlock

from frame_tools.assembly import assemble_output
from frame_tools.contracts.errors import TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.blobs import Container, Lease
from frame_tools.storage.blobs import lease as lease_module
from orchestration.handlers.finish_batch import finish_batch
from tests.support.waiting import until
from tests.support.world import World, in_parallel, message


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches whose tasks have been created."""
    run_id = world.start("clip")
    world.deliver_messages()
    return run_id


def uncommitted_blocks(world: World, name: str) -> list[BlobBlock]:
    """Return the uncommitted blocks of a blob in `output`."""
    assert isinstance(world.storage.output, Container)
    _, uncommitted = world.storage.output._client.get_blob_client(name).get_block_list("all")
    return uncommitted


def test_concurrent_last_messages_make_one_video(world: World, run_id: str) -> None:
    world.score(run_id, message=False)
    in_parallel([lambda: finish_batch(world.app, message(run_id, 2))] * 8)
    world.deliver_messages()
    finish_batch(world.app, message(run_id, "advance"))
    assert world.status(run_id) == "finished"
    assert world.frame_count(run_id) == 6
    assert uncommitted_blocks(world, RunPaths(run_id).video("mp4")) == [], "a second video has left uncommitted blocks"


def test_joiner_without_its_lease_commits_nothing(world: World, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.03)
    world.score(run_id, message=False)
    held: list[Lease] = []

    @contextmanager
    def lease(original: Callable[[str], AbstractContextManager[Lease | None]], name: str) -> Iterator[Lease | None]:
        with original(name) as acquired:
            if acquired is not None:
                held.append(acquired)
            yield acquired

    def read(original: Callable[..., Any], name: str, **options: Any) -> Any:
        if "/segments/" in name and not held[0].lost:
            held[0]._client.break_lease(lease_break_period=0)
            until(lambda: held[0].lost, "the holder has noticed the loss of its lease")
        return original(name, **options)

    with pytest.raises(TemporaryError, match="lease"):
        assemble_output(world.intercepted("runs", lease=lease).intercepted("work", read=read).storage, run_id)
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))
    assert assemble_output(world.storage, run_id) == RunPaths(run_id).video("mp4"), "the next joiner gets the lease"
    assert world.frame_count(run_id) == 6


def test_infinite_lease_does_not_stop_the_join(world: World, run_id: str) -> None:
    assert isinstance(world.storage.runs, Container)
    world.storage.runs.create(RunPaths(run_id).join_lease, b"")
    world.storage.runs._client.get_blob_client(RunPaths(run_id).join_lease).acquire_lease(lease_duration=-1)
    world.score(run_id)
    world.deliver_messages()
    assert world.status(run_id) == "finished"


def records(world: World, run_id: str) -> list[int]:
    """Return the frame numbers of the records in `output`, in their order."""
    data = world.storage.output.need(RunPaths(run_id).records).data
    assert data.endswith(b"\n")
    return [json.loads(line)["frame"] for line in data.splitlines()]


def test_concurrent_last_messages_make_one_records_file(world: World) -> None:
    run_id = world.start("clip", scorer="describe")
    world.deliver_messages()
    world.score(run_id, message=False)
    in_parallel([lambda: finish_batch(world.app, message(run_id, 2))] * 8)
    world.deliver_messages()
    finish_batch(world.app, message(run_id, "advance"))
    assert (world.status(run_id), records(world, run_id)) == ("finished", [0, 1, 2, 3, 4, 5])
    assert uncommitted_blocks(world, RunPaths(run_id).records) == [], "a second file has left uncommitted blocks"
