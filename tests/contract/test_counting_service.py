"""The service that counts requests behaves like Azurite: the same calls make the same requests and end the same way."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from benchmarks.scale.counting import counting
from benchmarks.scale.service import StorageService
from benchmarks.scale.world import CountedWorld
from frame_tools.contracts.calls import RunsQuery
from frame_tools.storage.deployment import Storage
from local_cloud.cloud import Cloud
from orchestration.app import App
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from orchestration.reporting.listing import list_page
from orchestration.reporting.status import run_status
from orchestration.reporting.watched_status import watched_status
from tests.support.fake_node import score
from tests.support.world import World, create_storage, message

_numbers = itertools.count(1)
BATCHES = 3


def play(app: App, service: StorageService | None) -> tuple[Mapping[str, Counter[str]], str]:
    """Take a run to its end; return the requests of each call by kind, and the run's status."""
    counts: dict[str, Counter[str]] = {}
    with counting(service) as requests:
        world = World(app)
        world.upload_frames("clip", 2 * BATCHES)
        trigger = world.upload_trigger("clip")

        def counted(name: str, call: Callable[[], object]) -> None:
            before = Counter(requests.kinds)
            call()
            counts[name] = requests.kinds - before

        run_id = ""

        def start() -> None:
            nonlocal run_id
            run_id = world.fire_trigger(trigger)

        counted("start", start)
        counted("submit", lambda: submit_batch(app, message(run_id, 0)))
        counted("sweep", lambda: sweep(app))
        for batch in range(BATCHES):
            score(app.storage, run_id, batch, message=False)
            counted(f"finish {batch}", lambda batch=batch: finish_batch(app, message(run_id, batch)))  # type: ignore[misc]
            counted(f"status {batch}", lambda: run_status(app, run_id))
            counted(f"watch {batch}", lambda: watched_status(app, run_id))
        counted("list", lambda: list_page(app, RunsQuery(limit=50)))
        counted("last sweep", lambda: sweep(app))
        return counts, world.status(run_id)


def test_same_calls_make_the_same_requests(emulators: Cloud) -> None:
    counted = CountedWorld.create()
    storage: Storage = create_storage(dict(emulators.settings), f"counted-{next(_numbers)}")
    there, here = play(replace(counted.app, storage=storage), None), play(counted.app, counted.service)
    assert {
        name: (dict(kinds), dict(there[0][name])) for name, kinds in here[0].items() if kinds != there[0][name]
    } == {}
    assert here[1] == there[1] == "finished"
    assert len(here[0]) == 14
