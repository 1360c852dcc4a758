"""Tasks write only where the conditions on the role assignments of nodes allow it."""

import dataclasses
import fnmatch
import re
from pathlib import Path

import numpy as np
import pytest

from frame_tools.assembly import assemble_output
from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.preview_paths import PreviewPaths, preview_slot
from frame_tools.contracts.trigger import Trigger
from frame_tools.contracts.tuning import TuningPaths
from frame_tools.storage.in_memory import in_memory_storage
from scoring.scorers.any_painting.conditional_norm import STYLE_PARAMETERS
from scoring.scorers.any_painting.tuned import dump_style
from scoring.tasks.base import Task, perform
from scoring.tasks.join import join_run
from scoring.tasks.split import split_video
from scoring.tasks.tuning import Tuner
from scoring.types import StyleFile
from tests.support.clips import Clip, Tone, make_clip
from tests.support.scoring_tasks import RUN, planned, planned_with_painting, score

TEMPLATE = Path(__file__).parents[4] / "infra" / "bicep" / "modules" / "roles.bicep"
RESTRICTED = ("runs", "output")


def read_patterns(container: str) -> list[str]:
    match = re.search(rf"  {container}: \[(.*?)\]", TEMPLATE.read_text(encoding="utf-8"), re.S)
    assert match is not None
    return re.findall(r"'([^']+)'", match[1])


PATTERNS = {name: read_patterns(name) for name in RESTRICTED}


class Writes(list):
    """Names of the blobs in restricted containers that a task has written or deleted."""

    def watch(self, storage):
        """Return the same storage as a task sees it, with its writes noted."""

        def note(accessed, writes):
            if writes and accessed.partition("/")[0] in RESTRICTED:
                self.append(accessed)

        return dataclasses.replace(
            storage, **{name: getattr(storage, name).with_hook(note) for name in (*RESTRICTED, "work", "logs")}
        )

    def refused(self):
        """Return the writes that the conditions refuse."""
        parts = [accessed.partition("/") for accessed in self]
        return [name for container, _, name in parts if not any(fnmatch.fnmatch(name, p) for p in PATTERNS[container])]


def test_conditions_refuse_what_only_the_app_writes():
    names = RunPaths(RUN)
    writes = Writes(
        f"runs/{name}"
        for name in (
            names.request,
            names.plan,
            names.outcome,
            names.inputs("0" * 64),
            names.task_borders,
            names.open_mark,
            "slots/0000",
        )
    )
    writes.append(f"output/{names.report}")
    preview = PreviewPaths(f"preview-{'0' * 20}")
    previews = (preview.order, preview.attempt(1), preview.ending(1), preview_slot(0))
    writes.extend(f"runs/{name}" for name in previews)
    assert len(writes.refused()) == len(writes)


def test_writes_of_a_scoring_task_are_allowed(weights):
    storage, writes = planned_with_painting(), Writes()
    score(writes.watch(storage), weights=weights)
    assert {f"runs/{RunPaths(RUN).receipt(0)}", f"runs/{RunPaths(RUN).prepared}"} <= set(writes)
    assert writes.refused() == []


def test_writes_of_a_tuning_are_allowed():
    storage, writes, names = in_memory_storage(), Writes(), TuningPaths.of("0" * 64, "1" * 64)
    storage.runs.create(names.style, b"damaged, so it is deleted")
    style = dump_style(np.zeros(STYLE_PARAMETERS, np.float32), painting="sea.png", painting_sha256="0" * 64)
    tuner = Tuner(writes.watch(storage).runs, lambda _painting, _on_step: style)
    assert tuner.tuned(StyleFile("sea.png", b"a painting"), names).data == style
    assert {f"runs/{name}" for name in (names.style, names.lease, names.progress)} <= set(writes)
    assert writes.refused() == []


@pytest.mark.parametrize("damaged", ["frame", "manifest"])
def test_writes_of_a_failing_task_are_allowed(damaged):
    storage, writes = planned(), Writes()
    if damaged == "frame":
        storage.input.write("clip/frames/000002.jpg", b"no picture")
    else:
        storage.runs.write(RunPaths(RUN).manifest, b"{}")
    with pytest.raises((InputError, DamagedError)):
        score(writes.watch(storage))
    assert any("/failures/" in name or "/errors/" in name for name in writes)
    assert writes.refused() == []


def test_writes_of_a_split_are_allowed(tmp_path):
    storage, writes = in_memory_storage(), Writes()
    storage.input.upload_file("clip/v.mp4", make_clip(tmp_path / "v.mp4", Clip(frames=3, audio=(Tone(),))))
    request = Request(
        run_id=RUN,
        name="clip",
        trigger_blob="clip.json",
        trigger_etag='"1"',
        trigger=Trigger(scorer="copy", video="v.mp4"),
        folder="clip",
        received_at="2026-01-01T00:00:00+00:00",
        correlation_id=RUN,
    )
    storage.runs.write(RunPaths(RUN).request, request.dumps())
    perform(Task(storage=writes.watch(storage), run_id=RUN, step="split", task_id="split"), split_video)
    assert storage.runs.exists(RunPaths(RUN).split_receipt)
    assert writes.refused() == []


@pytest.mark.parametrize("damaged", [False, True])
def test_writes_of_a_join_are_allowed(damaged):
    storage, writes = planned(), Writes()
    score(storage, 0)
    score(storage, 1)
    if damaged:
        storage.work.write(RunPaths(RUN).segment(0), b"damaged")
        for stage in ("join", "batches"):
            storage.runs.create(RunPaths(RUN).queued(stage), b"")
    perform(Task(storage=writes.watch(storage), run_id=RUN, step="join", task_id="join"), join_run)
    assert storage.output.exists(RunPaths(RUN).video("mp4")) is not damaged
    assert writes
    assert writes.refused() == []
    if not damaged:
        assert assemble_output(storage, RUN) == RunPaths(RUN).video("mp4")
