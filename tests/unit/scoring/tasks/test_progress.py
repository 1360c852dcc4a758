"""Tasks write how far they are, at growing intervals, and a storage error never fails them."""

import threading

import pytest

from frame_tools.contracts.errors import TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.progress import StepProgress
from frame_tools.storage.in_memory import InMemoryContainer, in_memory_storage
from scoring.tasks.progress import LONGEST_SECONDS, ProgressWriter, write_interval
from tests.support.scoring_tasks import RUN, planned, score, task_for


def read_progress(storage, step="00000"):
    return StepProgress.load_stored(storage.runs.need(RunPaths(RUN).step_progress(step)).data)


def test_scoring_writes_progress():
    storage = planned()
    score(storage)
    progress = read_progress(storage)
    assert (progress.run_id, progress.step, progress.task_id) == (RUN, "00000", "b00000")
    assert progress.frames <= 3


def test_frames_are_counted(monkeypatch):
    storage, written = in_memory_storage(), threading.Event()
    monkeypatch.setattr("scoring.tasks.progress.write_interval", lambda _elapsed: 0.001)
    write = storage.runs.write

    def observed(name, data):
        etag = write(name, data)
        if StepProgress.load_stored(data).frames == 2:
            written.set()
        return etag

    monkeypatch.setattr(storage.runs, "write", observed)
    with ProgressWriter(task_for(storage)) as progress:
        progress.add_frame()
        progress.add_frame()
        assert written.wait(30)
    assert read_progress(storage).frames == 2


def test_a_new_stage_is_written_at_once(monkeypatch):
    storage, stages, written = in_memory_storage(), [], threading.Event()
    monkeypatch.setattr("scoring.tasks.progress.write_interval", lambda _elapsed: 1000)
    write = storage.runs.write

    def observed(name, data):
        stages.append(StepProgress.load_stored(data).stage)
        written.set()
        return write(name, data)

    monkeypatch.setattr(storage.runs, "write", observed)
    with ProgressWriter(task_for(storage), "loading") as progress:
        for stage in ("measuring", "working"):
            assert written.wait(30)
            written.clear()
            progress.enter(stage)
        assert written.wait(30)
    assert stages == ["loading", "measuring", "working"]


def test_a_task_says_what_it_does_before_its_first_frame(monkeypatch):
    storage = planned()
    stages: list[str] = []
    monkeypatch.setattr(ProgressWriter, "__init__", noting(stages, ProgressWriter.__init__))
    monkeypatch.setattr(ProgressWriter, "enter", noting(stages, ProgressWriter.enter))
    score(storage)
    assert stages == ["loading", "measuring", "working"]


def noting(stages, method):
    """Return the method, which also notes the stage that it gets."""

    def noted(writer, *arguments):
        stages.append(arguments[-1])
        return method(writer, *arguments)

    return noted


def test_storage_error_does_not_fail_the_task(monkeypatch):
    storage, refused = planned(), threading.Event()
    write = InMemoryContainer.write

    def failing(container, name, data):
        if "/progress/" in name:
            refused.set()
            raise TemporaryError("The connection was lost", "Try again")
        return write(container, name, data)

    monkeypatch.setattr(InMemoryContainer, "write", failing)
    score(storage)
    assert refused.wait(30)
    assert storage.runs.exists(RunPaths(RUN).receipt(0))


@pytest.mark.parametrize(("elapsed", "interval"), [(0, 2), (99, 2), (200, 4), (10_000, LONGEST_SECONDS)])
def test_interval_grows_within_bounds(elapsed, interval):
    assert write_interval(elapsed) == interval


def test_an_hour_costs_few_writes():
    elapsed, writes = 0.0, 0
    while elapsed < 3600:
        elapsed, writes = elapsed + write_interval(elapsed), writes + 1
    assert writes < 350
