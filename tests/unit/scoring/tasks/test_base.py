"""The task shell: outputs before the receipt, errors recorded once, nothing done twice."""

import pytest
from azure.core.exceptions import ServiceRequestError

from frame_tools.contracts.errors import (
    DamagedError,
    ErrorCode,
    ExitCode,
    ImpastoError,
    InputError,
    InternalError,
    NextStep,
    ProgramError,
    TemporaryError,
)
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure, TaskError
from frame_tools.media.images import encode_jpeg
from scoring.tasks.base import MAX_EXCEPTION_TEXT, UNHANDLED_EXIT_CODE
from tests.support.clips import draw
from tests.support.scoring_tasks import (
    COUNTER,
    RUN,
    journaled,
    message,
    never,
    perform_one,
    planned,
    planned_with_script,
    receipt_of,
    score,
    task_for,
)

FRAME_BLOBS = [f"{RUN}/frames/00000{number}.jpg" for number in (1, 2, 3)]


def test_receipt_follows_all_outputs_and_message_is_last():
    storage, journal = journaled()
    score(storage)
    pairs = {f"work/{RUN}/pairs/{index:06d}-{side}.jpg" for index in range(3) for side in ("before", "after")}
    assert set(journal[:9]) == {f"work/{name}" for name in FRAME_BLOBS} | pairs
    assert journal[9:] == [
        f"work/{RunPaths(RUN).segment(0)}",
        f"logs/{RUN}/b00000.jsonl",
        f"runs/{RunPaths(RUN).receipt(0)}",
        "message",
    ]


@pytest.mark.parametrize(
    "lost", [FRAME_BLOBS[1], RunPaths(RUN).pair(1, "after"), RunPaths(RUN).segment(0), f"{RUN}/b00000.jsonl"]
)
def test_failed_write_leaves_no_receipt(lost):
    storage, journal = journaled(fails_at=lost)
    with pytest.raises(TemporaryError):
        score(storage)
    assert not storage.runs.exists(RunPaths(RUN).receipt(0))
    assert not storage.runs.exists(RunPaths(RUN).failure("00000")), "a temporary error is retried"
    assert "message" not in journal


def test_finished_batch_only_sends_the_message():
    storage = planned()
    score(storage)
    before = dict(storage.work.contents), dict(storage.runs.contents)
    perform_one(task_for(storage), never)
    assert (storage.work.contents, storage.runs.contents) == before
    assert storage.finished_batches.messages == [message(), message()]


@pytest.mark.parametrize("ended", [RunPaths(RUN).cancelled, RunPaths(RUN).outcome])
def test_ended_run_gets_no_work(ended):
    storage = planned()
    storage.runs.write(ended, b"")
    before = dict(storage.runs.contents)
    perform_one(task_for(storage), never)
    assert (storage.runs.contents, storage.work.contents) == (before, {})
    assert storage.finished_batches.messages == []


def _cut_off(storage):
    name = "clip/frames/000002.jpg"
    storage.input.write(name, storage.input.need(name).data[:40])


def _no_picture(storage):
    storage.input.write("clip/frames/000002.jpg", b"no picture")


def _gone(storage):
    storage.input.delete("clip/frames/000002.jpg")


def _other_size(storage):
    storage.input.write("clip/frames/000002.jpg", encode_jpeg(draw(1, (32, 48))))


@pytest.mark.parametrize("spoil", [_cut_off, _no_picture, _gone, _other_size])
def test_invalid_frame_fails_the_batch_permanently(spoil):
    storage = planned()
    spoil(storage)
    with pytest.raises(InputError, match=r"000002\.jpg") as first:
        score(storage)
    failure = Failure.load_stored(storage.runs.need(RunPaths(RUN).failure("00000")).data)
    assert (failure.reason, failure.remedy) == (first.value.what, first.value.remedy)
    assert (failure.step, failure.task_id) == ("00000", "b00000")
    assert not storage.runs.exists(RunPaths(RUN).receipt(0))
    assert storage.finished_batches.messages == [message()]
    with pytest.raises(InputError) as second:
        perform_one(task_for(storage), never)
    assert str(second.value) == str(first.value)
    assert storage.finished_batches.messages == [message(), message()]
    score(storage, 1)
    assert receipt_of(storage, 1).end == 5, "the other batch is not affected"


def raising(error):
    def work(_task):
        raise error

    return work


def task_error_of(storage, step="00000"):
    return TaskError.load_stored(storage.runs.need(RunPaths(RUN).error(step)).data)


@pytest.mark.parametrize(
    ("error", "exit_code", "code", "text"),
    [
        (
            InternalError("The script failed", "Fix it"),
            ExitCode.INTERNAL,
            ErrorCode.INTERNAL_ERROR,
            "The script failed",
        ),
        (DamagedError("It is torn", "Repeat it"), ExitCode.DAMAGED, ErrorCode.DAMAGED_DATA, "It is torn"),
        (TemporaryError("It is away", "Wait"), ExitCode.TEMPORARY, ErrorCode.TEMPORARY_FAILURE, "It is away"),
        (ServiceRequestError("no way"), ExitCode.TEMPORARY, ErrorCode.TEMPORARY_FAILURE, "no way"),
        (FileNotFoundError(2, "Not there", "w.pt"), ExitCode.INPUT, ErrorCode.INVALID_INPUT, "w.pt"),
        (ValueError("two\nlines"), UNHANDLED_EXIT_CODE, ErrorCode.UNHANDLED_EXCEPTION, "ValueError: two lines"),
    ],
)
def test_retryable_error_is_recorded_as_task_error(error, exit_code, code, text):
    storage = planned()
    with pytest.raises(type(error)) as raised:
        perform_one(task_for(storage), raising(error))
    assert raised.value is error
    task_error = task_error_of(storage)
    assert (task_error.exit_code, task_error.code) == (exit_code, code)
    assert text in task_error.reason
    if isinstance(error, ImpastoError):
        assert (task_error.reason, task_error.remedy) == (error.what, error.remedy)
    assert task_error.remedy
    assert (task_error.task_id, task_error.step) == ("b00000", "00000")
    assert task_error.explains(task_id="b00000", exit_code=int(exit_code))
    assert not storage.runs.exists(RunPaths(RUN).failure("00000"))
    assert storage.finished_batches.messages == []


def test_latest_task_error_is_kept():
    storage = planned()
    for cause in ("first", "second"):
        with pytest.raises(TemporaryError):
            perform_one(task_for(storage), raising(TemporaryError(cause, "Wait")))
    assert task_error_of(storage).reason == "second"
    score(storage)
    assert receipt_of(storage).end == 3
    assert storage.finished_batches.messages == [message()]


def test_long_exception_text_is_truncated():
    storage = planned()
    with pytest.raises(ValueError, match="x"):
        perform_one(task_for(storage), raising(ValueError("x" * 10_000)))
    assert len(task_error_of(storage).reason) == MAX_EXCEPTION_TEXT


def test_input_error_is_recorded_as_failure():
    storage = planned()
    with pytest.raises(InputError):
        perform_one(task_for(storage), raising(InputError("It is none", "Give another")))
    assert storage.runs.exists(RunPaths(RUN).failure("00000"))
    assert not storage.runs.exists(RunPaths(RUN).error("00000"))


def test_unrecordable_error_is_still_raised(caplog):
    storage, _ = journaled(fails_at=RunPaths(RUN).error("00000"))
    with pytest.raises(InternalError, match="The script failed"):
        perform_one(task_for(storage), raising(InternalError("The script failed", "Mend it")))
    assert "The connection was lost" in caplog.text


def test_script_error_names_its_line():
    broken = COUNTER.replace(b"frame.mean()", b"frame.meen()")
    storage = planned_with_script(broken, listed=broken)
    with pytest.raises(InternalError):
        score(storage)
    task_error = task_error_of(storage)
    assert "The program counter failed: line 4: AttributeError" in task_error.reason
    assert task_error.next_step is NextStep.START_NEW_RUN


def test_same_error_of_a_program_is_final_the_second_time():
    storage = planned()
    names = RunPaths(RUN)
    for text, is_final in (("line 3: KeyError", False), ("line 4: KeyError", False), ("line 4: KeyError", True)):
        with pytest.raises(ProgramError):
            perform_one(task_for(storage), raising(ProgramError(text, "Fix it")))
        assert storage.runs.exists(names.failure("00000")) == is_final
    failure = Failure.load_stored(storage.runs.need(names.failure("00000")).data)
    assert (failure.reason, failure.code) == ("line 4: KeyError", ErrorCode.INTERNAL_ERROR)
    assert "/stderr.txt" in failure.remedy
    assert storage.finished_batches.messages == [message()]


def test_same_error_of_the_machine_is_retried():
    storage = planned()
    for _ in range(3):
        with pytest.raises(InternalError):
            perform_one(task_for(storage), raising(InternalError("line 4: MemoryError", "Fix it")))
    assert not storage.runs.exists(RunPaths(RUN).failure("00000"))
