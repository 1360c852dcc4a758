"""A style is tuned once for all tasks and runs, by one task at a time, whatever happens to that task."""

import numpy as np
import pytest
import safetensors.numpy

from frame_tools.contracts.errors import DamagedError, InputError, MissingError, TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.tuning import TUNING_STEPS, TuningPaths, TuningProgress
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.in_memory import in_memory_storage
from scoring.inference.weight_files import ANY_PAINTING, VGG
from scoring.scorers.any_painting.conditional_norm import STYLE_PARAMETERS
from scoring.scorers.any_painting.tuned import dump_style, load_style
from scoring.tasks.tuning import MAX_DAMAGED, MAX_POLLS, Tuner
from scoring.training.tune import TuningConfig
from scoring.types import StyleFile
from tests.support.scorer_runs import painting
from tests.support.scoring_tasks import RUN, planned_with_painting, receipt_of, score

PAINTING = StyleFile("swirls.png", b"a painting")
NAMES = TuningPaths.of("0" * 64, "1" * 64)


def style_file(value=0.5):
    return dump_style(np.full(STYLE_PARAMETERS, value, np.float32), painting="swirls.png", painting_sha256="0" * 64)


class FakeTuning:
    """Counts tunings; `during` is called in each one."""

    def __init__(self, data=None, during=lambda: None):
        self.data, self.during, self.calls = data or style_file(), during, 0

    def __call__(self, _painting, on_step):
        self.calls += 1
        on_step(self.calls)
        self.during()
        return self.data


def never_sleep(_seconds):
    pytest.fail("the task waited")


@pytest.fixture
def runs():
    return in_memory_storage().runs


def test_second_task_gets_the_first_ones_bytes(runs):
    first, second = FakeTuning(style_file(0.5)), FakeTuning(style_file(0.25))
    tuned = Tuner(runs, first, sleep=never_sleep).tuned(PAINTING, NAMES)
    assert (tuned.name, load_style(tuned.data, "tuned")[0]) == ("swirls.png.safetensors", 0.5)
    assert Tuner(runs, second, sleep=never_sleep).tuned(PAINTING, NAMES) == tuned
    assert (first.calls, second.calls) == (1, 0)


def test_another_painting_network_or_recipe_has_another_style(monkeypatch):
    keys = {TuningPaths.of(painting, weights).key for painting in ("0" * 64, "1" * 64) for weights in (None, "2" * 64)}
    monkeypatch.setattr("frame_tools.contracts.tuning.TUNING_RECIPE", -1)
    assert len(keys | {TuningPaths.of("0" * 64, None).key}) == 5


def test_task_waits_for_the_one_that_tunes(runs):
    own, pauses = FakeTuning(), []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            runs.create(NAMES.style, style_file(0.25))

    with runs.lease(NAMES.lease):
        waited = Tuner(runs, own, sleep=sleep).tuned(PAINTING, NAMES)
    assert (waited.data, own.calls, len(pauses)) == (style_file(0.25), 0, 3)


def test_task_tunes_after_the_one_that_did_has_died(runs):
    own = FakeTuning()
    lease = runs.lease(NAMES.lease)
    lease.__enter__()
    Tuner(runs, own, sleep=lambda _seconds: lease.__exit__(None, None, None)).tuned(PAINTING, NAMES)
    assert own.calls == 1


def test_failed_tuning_stores_nothing_and_lets_the_next_task_tune(runs):
    def fail():
        raise TemporaryError("The node is gone", "Wait")

    with pytest.raises(TemporaryError, match="gone"):
        Tuner(runs, FakeTuning(during=fail), sleep=never_sleep).tuned(PAINTING, NAMES)
    assert not runs.exists(NAMES.style)
    own = FakeTuning()
    Tuner(runs, own, sleep=never_sleep).tuned(PAINTING, NAMES)
    assert own.calls == 1


def test_of_two_tunings_at_once_the_first_result_counts_for_both(runs):
    """The lease of a task whose node could not reach the storage for a minute has another holder."""
    slow = FakeTuning(style_file(0.5), during=lambda: runs.create(NAMES.style, style_file(0.25)))
    assert Tuner(runs, slow, sleep=never_sleep).tuned(PAINTING, NAMES).data == style_file(0.25)


def test_style_that_appears_just_before_the_lease_is_free_is_taken(runs, monkeypatch):
    lease, own = runs.lease, FakeTuning()

    def freed(name):
        runs.create(NAMES.style, style_file(0.25))
        return lease(name)

    monkeypatch.setattr(runs, "lease", freed)
    assert Tuner(runs, own, sleep=never_sleep).tuned(PAINTING, NAMES).data == style_file(0.25)
    assert own.calls == 0


def test_task_does_not_wait_for_ever(runs):
    pauses: list[float] = []
    with runs.lease(NAMES.lease), pytest.raises(TemporaryError, match=r"swirls\.png"):
        Tuner(runs, FakeTuning(), sleep=pauses.append).tuned(PAINTING, NAMES)
    assert len(pauses) == MAX_POLLS


@pytest.mark.parametrize("data", [b"", b"no tensors", style_file()[:-4]])
def test_damaged_style_is_made_again(runs, data):
    runs.create(NAMES.style, data)
    own = FakeTuning()
    assert Tuner(runs, own, sleep=never_sleep).tuned(PAINTING, NAMES).data == own.data
    assert own.calls == 1


def test_tuning_that_yields_no_style_ends(runs):
    own = FakeTuning(style_file(np.nan))
    with pytest.raises(DamagedError, match="tuned/"):
        Tuner(runs, own, sleep=never_sleep).tuned(PAINTING, NAMES)
    assert own.calls == MAX_DAMAGED + 1


def test_progress_is_written(runs):
    Tuner(runs, FakeTuning(), sleep=never_sleep).tuned(PAINTING, NAMES)
    progress = TuningProgress.load_stored(runs.need(NAMES.progress).data)
    assert (progress.steps, progress.step in (0, 1)) == (TUNING_STEPS, True)


@pytest.fixture
def few_steps(monkeypatch, vgg_path, weights, tmp_path):
    """Return a folder of weights with a random VGG16, and let tunings take few steps."""
    for source in (vgg_path, weights / ANY_PAINTING):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr("scoring.training.tuned_file.CONFIG", TuningConfig(steps=3, side=64, squares=2))
    monkeypatch.setattr("scoring.training.tuned_file.VGG_WEIGHTS", sha256_of(vgg_path.read_bytes()))
    return tmp_path


def styles_of(storage):
    return safetensors.numpy.load(storage.runs.need(RunPaths(RUN).prepared).data)["styles"]


def tuned_blob(storage):
    (name,) = (blob.name for blob in storage.runs.list("tuned/") if blob.name.endswith("/style.safetensors"))
    return storage.runs.need(name).data


def test_whole_run_paints_in_the_tuned_style_and_the_next_run_begins_at_once(few_steps, weights):
    storage, plain = planned_with_painting(tune=True), planned_with_painting()
    score(storage, 0, last=1, weights=few_steps)
    score(plain, 0, last=1, weights=weights)
    tuned = load_style(tuned_blob(storage), "tuned")
    np.testing.assert_array_equal(styles_of(storage), tuned[None])
    assert not np.array_equal(styles_of(plain), tuned[None])
    assert receipt_of(storage).segment != receipt_of(plain).segment
    assert storage.work.exists(RunPaths(RUN).style_picture), "the report shows the painting"

    (few_steps / VGG).unlink()
    again = planned_with_painting(tune=True)
    for blob in storage.runs.list("tuned/"):
        again.runs.write(blob.name, storage.runs.need(blob.name).data)
    score(again, 0, last=1, weights=few_steps)
    np.testing.assert_array_equal(styles_of(again), tuned[None])


def test_missing_vgg_weights_are_an_error_with_the_command(few_steps):
    (few_steps / VGG).unlink()
    with pytest.raises(MissingError, match=r"vgg16\.safetensors") as caught:
        score(planned_with_painting(tune=True), weights=few_steps)
    assert "python -m scoring vgg" in caught.value.remedy


def test_other_vgg_weights_are_refused(few_steps):
    tensors = safetensors.numpy.load((few_steps / VGG).read_bytes())
    (few_steps / VGG).write_bytes(safetensors.numpy.save({name: 2 * values for name, values in tensors.items()}))
    with pytest.raises(DamagedError, match="has sha256"):
        score(planned_with_painting(tune=True), weights=few_steps)


def test_painting_that_cannot_be_decoded_fails_the_run(few_steps):
    storage = planned_with_painting(tune=True)
    data = b"\x89PNG\r\n\x1a\n no picture"
    storage.work.write("style", data)
    plan = storage.runs.need(RunPaths(RUN).plan).data.replace(sha256_of(painting()).encode(), sha256_of(data).encode())
    storage.runs.write(RunPaths(RUN).plan, plan)
    with pytest.raises(InputError, match=r"swirls\.png"):
        score(storage, weights=few_steps)
    assert storage.runs.exists(RunPaths(RUN).failure("00000"))
