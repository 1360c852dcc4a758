"""The system under faults: the resulting video is byte-identical to the one without faults.

Messages are delivered up to five times and out of order; storage and Batch return 503 and 429, before and after
executing a request; nodes are preempted and lost; the function host and a task are killed during their work.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from frame_tools.contracts.paths import RunPaths
from local_cloud.cloud import CloudOptions
from tests.support.ports import cloud_and_proxy_ports, forwarded
from tests.support.storage_proxy import storage_proxy
from tests.support.storage_rules import RandomSpoils
from tests.support.system import TIMEOUT_SECONDS, RunningSystem, digest, running_system, upload_split
from tests.support.waiting import until

BATCHES = 9
OPTIONS = {"scorer": "copy", "frames_per_batch": 4}
SMOOTHED = OPTIONS | {"temporal_smoothing": 0.9}
"""Each frame depends on all frames before it in its task."""


@dataclass(frozen=True)
class Round:
    """A random seed, how many tasks a run is divided into, and the output after which two of them end."""

    seed: int
    tasks: int
    preempted: tuple[str, str]
    killed: tuple[str, str]


ONE_BATCH_EACH = Round(1, BATCHES, preempted=("b00002", "begins"), killed=("b00006", "begins"))
SEVERAL_BATCHES = Round(2, 2, preempted=("b00000_00003", "Batch 1:"), killed=("b00004_00008", "Batch 5:"))


@pytest.fixture(scope="module")
def expected_digests(system: RunningSystem, split_clip: Path) -> dict[str, str]:
    """Hash of the video without faults, plain and smoothed in two tasks of several batches."""
    upload_split(system, split_clip, "quiet")
    digests: dict[str, str] = {}
    for name, options in (("plain", OPTIONS), ("smoothed", SMOOTHED)):
        status = system.wait(system.start("quiet", **options))
        assert status["batches"]["planned"] == BATCHES
        digests[name] = digest(system.video(status))
    assert digests["plain"] != digests["smoothed"]
    return digests


@pytest.fixture
def faulty_system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningSystem]:
    """A local cloud behind a proxy that returns 503 at random, with a host that duplicates and reorders messages."""
    seed = request.param.seed
    ports, proxy_ports = cloud_and_proxy_ports()
    options = CloudOptions(
        folder=tmp_path,
        ports=ports,
        proxy_ports=proxy_ports,
        in_memory=True,
        nodes=2,
        duplicate_seed=seed,
        settings={
            "LOCAL_HOST_MESSAGE_INVISIBILITY": "5",
            "SWEEP_SCHEDULE": "*/3 * * * * *",
            "SWEEP_GRACE_SECONDS": "6",
            "POOL_TASKS": str(request.param.tasks),
        },
    )
    spoils = RandomSpoils(seed, kinds=("busy_before", "busy_after"))
    with storage_proxy(forwarded(proxy_ports, ports), [spoils]), running_system(options) as running:
        yield running
    assert spoils.counts.keys() == {"busy_before", "busy_after"}


@pytest.mark.parametrize(
    ("faulty_system", "round_", "options", "expected"),
    [(ONE_BATCH_EACH, ONE_BATCH_EACH, OPTIONS, "plain"), (SEVERAL_BATCHES, SEVERAL_BATCHES, SMOOTHED, "smoothed")],
    indirect=["faulty_system"],
    ids=["one batch each", "several batches"],
)
def test_video_is_identical_under_faults(
    faulty_system: RunningSystem,
    round_: Round,
    options: dict[str, Any],
    expected: str,
    expected_digests: dict[str, str],
    split_clip: Path,
) -> None:
    for fault in (
        {"kind": "http_error", "status": 503, "retry_after": 1, "times": 2, "path_contains": "/tasks"},
        {"kind": "http_error", "status": 429, "retry_after": 1, "times": 1, "path_contains": "/jobs"},
        {"kind": "http_error", "status": 500, "times": 1, "path_contains": "/tasks"},
        {"kind": "preempt_when", "task_id": round_.preempted[0], "after_output": round_.preempted[1]},
        {"kind": "kill_when", "task_id": round_.killed[0], "after_output": round_.killed[1]},
    ):
        faulty_system.inject_fault(**fault)
    upload_split(faulty_system, split_clip, "faulty")
    run_id = faulty_system.start("faulty", **options)
    until(lambda: receipts(faulty_system, run_id) >= 1, "1 receipts", seconds=TIMEOUT_SECONDS)
    faulty_system.inject_fault(kind="preempt_node")
    host = faulty_system.cloud.services["Function host"]
    host.kill()
    host.start()
    until(lambda: receipts(faulty_system, run_id) >= 3, "3 receipts", seconds=TIMEOUT_SECONDS)
    faulty_system.inject_fault(kind="lose_node")
    status = faulty_system.wait(run_id)
    assert faulty_system.pending_faults() == []
    assert digest(faulty_system.video(status)) == expected_digests[expected]
    assert status["batches"] == {"planned": BATCHES, "done": BATCHES, "failed": []}


@pytest.mark.parametrize("faulty_system", [ONE_BATCH_EACH], indirect=True)
def test_restarted_batch_service_continues(
    faulty_system: RunningSystem, expected_digests: dict[str, str], split_clip: Path
) -> None:
    upload_split(faulty_system, split_clip, "restart")
    run_id = faulty_system.start("restart", **OPTIONS)
    until(lambda: receipts(faulty_system, run_id) >= 2, "2 receipts", seconds=TIMEOUT_SECONDS)
    batch = faulty_system.cloud.services["Batch service"]
    batch.kill()
    batch.start()
    assert digest(faulty_system.video(faulty_system.wait(run_id))) == expected_digests["plain"]


def receipts(system: RunningSystem, run_id: str) -> int:
    return sum(1 for _ in system.storage.runs.list(RunPaths(run_id).receipts))
