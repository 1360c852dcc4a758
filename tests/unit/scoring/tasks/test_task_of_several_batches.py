"""A task of several batches: one receipt each, exact continuation, and errors that belong to single batches."""

from contextlib import nullcontext

import numpy as np
import pytest
from azure.core.exceptions import ServiceRequestError

from frame_tools.contracts.errors import ImpastoError, InputError, InternalError, TemporaryError
from frame_tools.contracts.ids import BatchRange
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Failure
from frame_tools.media.images import read_rgb
from scoring.pipeline import stages
from scoring.pipeline.frame_guard import Guard
from scoring.tasks import smoothing_states
from scoring.tasks.batches import perform_batches
from scoring.types import NonFiniteOutputError
from tests.support.scorer_runs import painting
from tests.support.scoring_tasks import RUN, message, planned, planned_with_painting, receipt_of, score, task_for

PATHS = RunPaths(RUN)
BORDERS = (0, 1, 3, 4, 5)
"""Four batches of five frames."""
LAST = len(BORDERS) - 2


def smoothed(scorer="any", *, task_borders=(0, LAST + 1), **options):
    """Plan the batches as one task (or several), with smoothing whose frames depend on all frames before them."""
    painted = planned_with_painting()
    plan = Plan.load_stored(painted.runs.need(PATHS.plan).data)
    storage = planned(
        scorer,
        image_format="png",
        options={"temporal_smoothing": 0.9, **options},
        styles=plan.styles if scorer == "any" else (),
        key_styles=plan.key_styles if scorer == "any" else (),
        sample=plan.sample,
        borders=BORDERS,
        task_borders=task_borders,
    )
    storage.work.write("style", painting())
    return storage


def files(storage):
    """Return what the run delivers: segments and painted frames."""
    return {name: data for name, data in storage.work.contents.items() if "/segments/" in name or "/frames/" in name}


def forget(storage, *batches):
    """Delete the receipts and files of some batches."""
    for batch in batches:
        for stored in (*receipt_of(storage, batch).frames, receipt_of(storage, batch).segment):
            storage.work.delete(stored.name)
        storage.runs.delete(PATHS.receipt(batch))


@pytest.fixture(scope="module")
def undisturbed(weights):
    """Storage after the task without disturbance."""
    storage = smoothed()
    score(storage, 0, last=LAST, weights=weights)
    return storage


def test_each_batch_has_its_receipt_and_message(undisturbed):
    receipts = [receipt_of(undisturbed, batch) for batch in range(LAST + 1)]
    assert [(receipt.start, receipt.end) for receipt in receipts] == [(0, 1), (1, 3), (3, 4), (4, 5)]
    assert undisturbed.finished_batches.messages == [message(batch) for batch in range(LAST + 1)]
    assert [receipt.smoothing is not None for receipt in receipts] == [True, True, True, False]
    assert receipts[0].times.start_up > 0
    assert {receipt.times.start_up for receipt in receipts[1:]} == {0}
    logs = [undisturbed.logs.need(receipt.log).data.count(b"\n") for receipt in receipts]
    assert logs == [1, 2, 1, 1]


@pytest.mark.parametrize("lost", [(0,), (1,), (2,), (3,), (1, 2), (0, 2), (1, 3), (2, 3)])
def test_batch_that_is_scored_again_has_the_same_bytes(undisturbed, weights, lost):
    storage = smoothed()
    score(storage, 0, last=LAST, weights=weights)
    forget(storage, *lost)
    score(storage, 0, last=LAST, weights=weights)
    assert files(storage) == files(undisturbed)


@pytest.mark.parametrize("lost", [(1,), (2, 3)])
def test_batch_that_is_scored_again_on_a_device_has_the_same_bytes(weights, monkeypatch, lost):
    """As above, with the path of a GPU."""
    monkeypatch.setattr(stages, "is_gpu", lambda device: device.type == "cpu")
    storage = smoothed()
    score(storage, 0, last=LAST, weights=weights)
    before = files(storage)
    forget(storage, *lost)
    assert files(storage) != before
    score(storage, 0, last=LAST, weights=weights)
    assert files(storage) == before


def test_resumed_batch_scores_one_frame_more(undisturbed, weights, monkeypatch):
    storage = smoothed()
    scored: list[int] = []
    score(storage, 0, last=LAST, weights=weights)
    forget(storage, 3)
    call = Guard.__call__
    monkeypatch.setattr(
        Guard, "__call__", lambda self, pictures, at: scored.extend(p.index for p in at) or call(self, pictures, at)
    )
    score(storage, 0, last=LAST, weights=weights)
    assert scored == [3, 4]


@pytest.mark.parametrize("damage", [None, b"", b"nothing", "other"])
def test_lost_state_is_computed_again(undisturbed, weights, damage):
    storage = smoothed()
    score(storage, 0, last=LAST, weights=weights)
    name = PATHS.smoothing_state(2)
    if damage is None:
        storage.work.delete(name)
    else:
        other = storage.work.need(PATHS.smoothing_state(1)).data
        storage.work.write(name, other if damage == "other" else damage)
    forget(storage, 3)
    score(storage, 0, last=LAST, weights=weights)
    assert files(storage) == files(undisturbed)


def test_states_that_are_too_large_are_not_stored(undisturbed, weights, monkeypatch):
    monkeypatch.setattr(smoothing_states, "MAX_BYTES", 100)
    storage = smoothed()
    score(storage, 0, last=LAST, weights=weights)
    assert {receipt_of(storage, batch).smoothing for batch in range(LAST + 1)} == {None}
    forget(storage, 2)
    score(storage, 0, last=LAST, weights=weights)
    assert files(storage) == files(undisturbed)


def test_smoothing_goes_on_across_the_borders_of_a_task(undisturbed, weights):
    """The same frames in one batch differ at most by the rounding of the state."""
    whole = smoothed()
    plan = Plan.load_stored(whole.runs.need(PATHS.plan).data)
    whole.runs.write(PATHS.plan, plan.model_copy(update={"borders": (0, 5), "task_borders": ()}).dumps())
    score(whole, 0, weights=weights)
    for number in range(1, 6):
        name = f"{RUN}/frames/{number:06d}.png"
        frames = [np.asarray(read_rgb(storage.work.need(name).data), int) for storage in (whole, undisturbed)]
        assert abs(frames[0] - frames[1]).max() <= 1


def test_failed_batch_does_not_stop_the_others(weights):
    storage = smoothed()
    storage.input.write("clip/frames/000002.png", b"no picture")
    with pytest.raises(InputError, match=r"000002\.png"):
        score(storage, 0, last=LAST, weights=weights)
    assert [storage.runs.exists(PATHS.receipt(batch)) for batch in range(LAST + 1)] == [True, False, True, True]
    failure = Failure.load_stored(storage.runs.need(PATHS.failure("00001")).data)
    assert "000002.png" in failure.reason
    assert sorted(each.batch for each in storage.finished_batches.messages) == [0, 1, 2, 3]
    with pytest.raises(InputError) as again:
        score(storage, 0, last=LAST, weights=weights)
    assert again.value.what == failure.reason


def test_corrupt_frame_does_not_stop_the_next_task():
    """Its warm-up would begin with that frame, of a batch that another task has recorded as failed."""
    storage = smoothed("copy", task_borders=(0, 2, LAST + 1))
    storage.input.write("clip/frames/000002.png", b"no picture")
    with pytest.raises(InputError, match=r"000002\.png"):
        score(storage, 0, last=1)
    score(storage, 2, last=LAST)
    assert [storage.runs.exists(PATHS.receipt(batch)) for batch in range(LAST + 1)] == [True, False, True, True]


def test_defect_in_a_batch_does_not_stop_the_others(monkeypatch):
    """Recorded as a failure by the sweep after its retries; the frames before the next batch raise the same error."""

    def broken(pictures, positions):
        if {position.index for position in positions} & {1, 2}:
            raise ValueError("a defect")
        return 255 - pictures

    monkeypatch.setattr("scoring.scorers.identity.IdentityScorer.open", lambda *_: broken)
    storage = smoothed("copy")
    with pytest.raises(ValueError, match="a defect"):
        score(storage, 0, last=1)
    failure = Failure(run_id=RUN, step="00001", reason="a defect", remedy="Report it", failed_at="now")
    storage.runs.create(PATHS.failure("00001"), failure.dumps())
    with pytest.raises(ImpastoError):
        score(storage, 0, last=LAST)
    assert [storage.runs.exists(PATHS.receipt(batch)) for batch in range(LAST + 1)] == [True, False, True, True]


@pytest.mark.parametrize("policy", ["previous", "original"])
def test_replaced_bad_frames_are_the_same_in_a_resumed_task(monkeypatch, policy):
    """Frames 2 and 4 are bad; the batch that begins with frame 3 follows a bad one."""

    def bad(self, pictures, positions):
        if {position.index for position in positions} & {2, 3}:
            raise NonFiniteOutputError(0, "no", "no")
        return 255 - pictures

    monkeypatch.setattr("scoring.scorers.identity.IdentityScorer.open", lambda *_: lambda *args: bad(None, *args))
    storages = [smoothed("copy", bad_frame=policy) for _ in range(2)]
    for storage in storages:
        score(storage, 0, last=LAST)
    forget(storages[1], 2, 3)
    score(storages[1], 0, last=LAST)
    assert files(storages[0]) == files(storages[1])
    assert [frame.done for frame in receipt_of(storages[1], 2).bad_frames] == ["original"]


class Shell:
    """Batches that a task scores without frames, and the errors of some."""

    def __init__(self, errors=None):
        self.storage = planned(borders=BORDERS, task_borders=(0, LAST + 1))
        self.errors = errors or {}
        self.calls = []

    def score(self, batches):
        self.calls.append(list(batches))
        for batch in batches:
            if batch in self.errors:
                raise self.errors[batch]
            self.storage.runs.create(PATHS.receipt(batch), b"")

    def perform(self, first=0, last=LAST):
        perform_batches(task_for(self.storage, first), BatchRange(first, last), lambda: nullcontext(self.score))

    def done(self):
        return [batch for batch in range(LAST + 1) if self.storage.runs.exists(PATHS.receipt(batch))]

    def recorded(self):
        """Return the recorded errors and failures."""
        names = (item.name.removeprefix(f"{RUN}/") for item in self.storage.runs.list(f"{RUN}/"))
        return [name for name in names if name.startswith(("errors/", "failures/"))]


def test_batches_are_scored_together():
    shell = Shell()
    shell.perform()
    assert (shell.calls, shell.done(), shell.recorded()) == ([[0, 1, 2, 3]], [0, 1, 2, 3], [])


def test_only_missing_batches_are_scored():
    shell = Shell()
    for batch in (0, 2):
        shell.storage.runs.create(PATHS.receipt(batch), b"")
    shell.perform()
    assert (shell.calls, shell.done()) == ([[1], [3]], [0, 1, 2, 3])
    assert shell.storage.finished_batches.messages == [message(2)], "its own may be lost"


@pytest.mark.parametrize(
    ("done", "kept", "reported"),
    [((0, 2), {0, 2}, []), ((0, 1, 2, 3), {0, 2, 3}, [message(1)]), ((0, 2, 3), {3}, [message(2)])],
)
def test_kept_batches_are_not_reported(done, kept, reported):
    """A redone run has receipts that no task of it has written; each message wakes the app."""
    shell = Shell()
    plan = Plan.load_stored(shell.storage.runs.need(PATHS.plan).data)
    redo = tuple(batch for batch in range(LAST + 1) if batch not in kept)
    shell.storage.runs.write(PATHS.plan, plan.model_copy(update={"parent": "clip-1111111111", "redo": redo}).dumps())
    for batch in done:
        shell.storage.runs.create(PATHS.receipt(batch), b"")
    shell.perform()
    assert shell.done() == [0, 1, 2, 3]
    assert shell.storage.finished_batches.messages == reported


def test_batches_kept_from_before_a_correction_are_not_reported():
    shell = Shell()
    plan = Plan.load_stored(shell.storage.runs.need(PATHS.plan).data)
    shell.storage.runs.write(PATHS.plan, plan.model_copy(update={"kept_receipts": {1: 64 * "0"}}).dumps())
    shell.storage.runs.create(PATHS.receipt(1), b"")
    shell.perform()
    assert shell.storage.finished_batches.messages == []


@pytest.mark.parametrize(
    ("error", "recorded"),
    [
        (InputError("No picture", "Give one"), "failures/00001.json"),
        (InternalError("Broken", "Report it"), "errors/00001.json"),
        (ValueError("unexpected"), "errors/00001.json"),
    ],
)
def test_error_is_recorded_for_its_batch(error, recorded):
    shell = Shell({1: error})
    with pytest.raises(type(error)) as raised:
        shell.perform()
    assert raised.value is error
    assert (shell.done(), shell.recorded()) == ([0, 2, 3], [recorded])
    assert shell.calls == [[0, 1, 2, 3], [1, 2, 3][:1], [2, 3]]


def test_error_that_does_not_occur_again_is_forgotten():
    shell = Shell({1: ValueError("once")})
    score_again = shell.score

    def once(batches):
        try:
            score_again(batches)
        finally:
            shell.errors.pop(1, None) if len(batches) > 1 else None

    shell.score = once  # type: ignore[method-assign]
    shell.perform()
    assert (shell.done(), shell.recorded()) == ([0, 1, 2, 3], [])


@pytest.mark.parametrize("error", [TemporaryError("It is away", "Wait"), ServiceRequestError("no way")])
def test_outage_ends_the_task_at_once(error):
    shell = Shell({1: error})
    with pytest.raises(type(error)):
        shell.perform()
    assert (shell.calls, shell.done(), shell.recorded()) == ([[0, 1, 2, 3]], [0], ["errors/00001.json"])


def test_errors_that_are_retried_come_before_failures():
    shell = Shell({0: InputError("No picture", "Give one"), 2: ValueError("unexpected")})
    with pytest.raises(ValueError, match="unexpected"):
        shell.perform()
    assert (shell.done(), shell.recorded()) == ([1, 3], ["errors/00002.json", "failures/00000.json"])


def test_what_cannot_be_opened_fails_all_batches():
    shell = Shell()

    def refuse():
        raise InputError("The style is none", "Give another")

    with pytest.raises(InputError):
        perform_batches(task_for(shell.storage), BatchRange(1, 3), refuse)
    assert shell.recorded() == [f"failures/0000{batch}.json" for batch in (1, 2, 3)]


def test_batch_whose_receipt_is_invalidated_meanwhile_is_scored_again():
    shell = Shell()
    score_first = shell.score

    def invalidating(batches):
        score_first(batches)
        if len(shell.calls) == 1:
            shell.storage.runs.delete(PATHS.receipt(1))

    shell.score = invalidating  # type: ignore[method-assign]
    shell.perform()
    assert (shell.calls, shell.done()) == ([[0, 1, 2, 3], [1]], [0, 1, 2, 3])
