"""The chain in foul weather: the video that comes out is, byte for byte, the one of a quiet day.

Messages come up to five times and shuffled; storage and Batch answer 503 and 429, before and after doing what was
asked; nodes are pre-empted and lost; the function host and a task are killed in the middle of their work.
"""

import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from frame_tools.contracts.paths import RunPaths
from local_cloud.accounts import Ports
from local_cloud.cloud import CloudOptions
from tests.support.system import PATIENCE, Chain, fingerprint, running_chain, upload_split
from tests.support.waiting import until

SEEDS = (1, 2)
BATCHES = 9
WORDS = {"scorer": "copy", "frames_per_batch": 4}


@pytest.fixture(scope="module")
def quiet(chain: Chain, split_clip: Path) -> str:
    """Fingerprint of the video made on a quiet day."""
    upload_split(chain, split_clip, "quiet")
    status = chain.wait(chain.start("quiet", **WORDS))
    assert status["batches"]["planned"] == BATCHES
    return fingerprint(chain.video(status))


@pytest.fixture
def stormy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chain]:
    """A local cloud behind a proxy that answers 503 now and then, with a host that repeats and shuffles messages."""
    seed = request.param
    ports = Ports(**{name: free_port() for name in ("blob", "queue", "table", "batch", "functions")})
    proxy_ports = Ports(blob=free_port(), queue=free_port(), table=ports.table)
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
        },
    )
    with proxy(seed, proxy_ports, ports), running_chain(options) as running:
        yield running


@pytest.mark.parametrize("stormy", SEEDS, indirect=True)
def test_the_video_is_the_same_in_foul_weather(stormy: Chain, quiet: str, split_clip: Path) -> None:
    for fault in (
        {"kind": "http_error", "status": 503, "retry_after": 1, "times": 2, "path_contains": "/tasks"},
        {"kind": "http_error", "status": 429, "retry_after": 1, "times": 1, "path_contains": "/jobs"},
        {"kind": "http_error", "status": 500, "times": 1, "path_contains": "/tasks"},
        {"kind": "preempt_when", "task_id": "b00002", "after_output": "begins"},
        {"kind": "kill_when", "task_id": "b00006", "after_output": "begins"},
    ):
        stormy.fault(**fault)
    upload_split(stormy, split_clip, "storm")
    run_id = stormy.start("storm", **WORDS)
    until(lambda: receipts(stormy, run_id) >= 1, "1 receipts", seconds=PATIENCE)
    stormy.fault(kind="preempt_node")
    host = stormy.cloud.services["Function host"]
    host.kill()
    host.start()
    until(lambda: receipts(stormy, run_id) >= 3, "3 receipts", seconds=PATIENCE)
    stormy.fault(kind="lose_node")
    status = stormy.wait(run_id)
    assert stormy.faults() == []
    assert fingerprint(stormy.video(status)) == quiet
    assert status["batches"] == {"planned": BATCHES, "done": BATCHES, "failed": []}


@pytest.mark.parametrize("stormy", SEEDS[:1], indirect=True)
def test_the_batch_service_comes_back_and_goes_on(stormy: Chain, quiet: str, split_clip: Path) -> None:
    upload_split(stormy, split_clip, "restart")
    run_id = stormy.start("restart", **WORDS)
    until(lambda: receipts(stormy, run_id) >= 2, "2 receipts", seconds=PATIENCE)
    batch = stormy.cloud.services["Batch service"]
    batch.kill()
    batch.start()
    assert fingerprint(stormy.video(stormy.wait(run_id))) == quiet


def receipts(chain: Chain, run_id: str) -> int:
    return sum(1 for _ in chain.storage.runs.list(RunPaths(run_id).receipts))


def free_port() -> int:
    """Find a port below those that the kernel hands out for connections, so that none takes it in the meantime."""
    for port in random.Random().sample(range(20_000, 30_000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


@contextmanager
def proxy(seed: int, proxy_ports: Ports, ports: Ports) -> Iterator[None]:
    pairs = [f"{proxy_ports.blob}:{ports.blob}", f"{proxy_ports.queue}:{ports.queue}"]
    argv = [sys.executable, str(Path(__file__).with_name("flaky_proxy.py")), str(seed), *pairs]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()
            assert "busy" in process.stdout.read()
