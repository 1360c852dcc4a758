"""Documents from outside: what is wrong is said in words; what we write reads back as it was."""

import json
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.batch_borders import even_borders, spread_sample
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.ids import run_id_for
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import BlobRef, Plan, PlannedKeyframe, PlannedStyle
from frame_tools.contracts.receipt import Receipt, StoredFile, TaskTimes
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.trigger import Trigger, parse_trigger
from frame_tools.storage.accounts import account_from


def trigger(**fields: object) -> Trigger:
    return parse_trigger(json.dumps({"scorer": "copy"} | fields).encode())


@pytest.mark.parametrize(
    ("rate", "exact"),
    [
        (25, Fraction(25)),
        ("25", Fraction(25)),
        ("30000/1001", Fraction(30000, 1001)),
        ("24000/1001", Fraction(24000, 1001)),
        ("90000/2999", Fraction(90000, 2999)),
        (29.97, Fraction(2997, 100)),
        ("29.97", Fraction(2997, 100)),
        (1000, Fraction(1000)),
    ],
)
def test_rates_are_exact(rate: object, exact: Fraction) -> None:
    assert trigger(rate=rate).rate == exact


@pytest.mark.parametrize(
    "rate",
    [
        0,
        -25,
        "-25",
        "",
        "x",
        "25/0",
        "0/25",
        1001,
        "1e3",
        "1e999999999",
        "1/1000001",
        [25],
        {},
        True,
        "2_5",
        " 25",
        "9" * 99,
    ],
)
def test_invalid_rate_is_rejected_with_example(rate: object) -> None:
    with pytest.raises(InputError, match="rate") as raised:
        trigger(rate=rate)
    assert "frames per second" in str(raised.value) or "30000/1001" in str(raised.value)


@given(st.fractions(min_value=Fraction(1, 10**6), max_value=1000, max_denominator=10**6))
def test_any_rate_round_trips(rate: Fraction) -> None:
    once = trigger(rate=f"{rate.numerator}/{rate.denominator}")
    assert once.rate == rate
    assert parse_trigger(once.dumps()) == once


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("styl", "style"), ("Strength", "strength"), ("frames_per_bach", "frames_per_batch"), ("vidoe", "video")],
)
def test_misspelled_field_names_the_closest(wrong: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"unknown field '{wrong}' .did you mean '{meant}'") as raised:
        trigger(**{wrong: 1})
    assert "strength, preserve_color" in raised.value.remedy


def test_unknown_field_lists_the_valid_ones() -> None:
    with pytest.raises(InputError, match="unknown field 'qqq'") as raised:
        trigger(qqq=1)
    assert "did you mean" not in raised.value.what
    assert all(word in raised.value.remedy for word in Trigger.model_fields)


def test_error_is_limited_in_length() -> None:
    with pytest.raises(InputError) as raised:
        parse_trigger(json.dumps({"x" * 500 + str(number): 1 for number in range(9)}).encode())
    assert raised.value.what.count("unknown field") == 3
    assert len(raised.value.what) < 400


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"3", b'"x"', b"[]", b"\xff", b"{}{}", b'{"style": "\\ud800"}'])
def test_invalid_trigger_file_is_rejected(data: bytes) -> None:
    with pytest.raises(InputError) as raised:
        parse_trigger(data)
    assert "trigger file" in raised.value.what
    assert raised.value.remedy


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_raise_input_error(data: bytes) -> None:
    with suppress(InputError):
        assert parse_trigger(data).version == 1


def test_oversized_trigger_names_the_limit() -> None:
    room = 64 * 1024 - len(b'{"scorer": "copy"}')
    assert parse_trigger(b'{"scorer": "copy"}' + b" " * room).scorer == "copy"
    with pytest.raises(InputError, match="65536"):
        parse_trigger(b'{"scorer": "copy"}' + b" " * (room + 1))


@pytest.mark.parametrize("field", ["input", "video", "frames", "style"])
@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", "", "-i", 'a"b', "x" * 300])
def test_trigger_names_are_never_paths(field: str, name: str) -> None:
    with pytest.raises(InputError, match=field):
        trigger(**{field: name})


def test_trigger_needs_known_scorer_and_its_fields() -> None:
    with pytest.raises(InputError, match="any, tuned, "):
        parse_trigger(b'{"scorer": "sharpen"}')
    with pytest.raises(InputError, match="style is missing"):
        parse_trigger(b"{}")
    assert parse_trigger(b'{"style": "sea.jpg"}').scorer == "any"
    assert trigger().frames_folder == "frames"


def test_scorers_are_keyed_by_name() -> None:
    for name, spec in SCORERS.items():
        assert (spec.name, spec.frames_per_batch > 0) == (name, True)
        assert spec.weights_sha256 is None or len(spec.weights_sha256) == 64


RUN_IDS = st.builds(run_id_for, st.text(max_size=30), st.text(max_size=10))
STEPS = st.integers(0, 99_999) | st.sampled_from(["split", "join", "advance"])


@given(RUN_IDS, STEPS)
def test_messages_round_trip(run_id: str, step: int | str) -> None:
    message = BatchMessage.model_validate({"run_id": run_id, "batch": step})
    assert BatchMessage.parse(message.text()) == message
    assert json.loads(message.text()) == {"v": 3, "run_id": run_id, "batch": step}


@pytest.mark.parametrize(
    "body",
    [
        {"v": 0, "run_id": "a-0123456789", "batch": 0},
        {"v": 2, "run_id": "../../etc", "batch": 0},
        {"v": 2, "run_id": "a-0123456789\n", "batch": 0},
        {"v": 2, "run_id": "a-0123456789", "batch": -1},
        {"v": 2, "run_id": "a-0123456789", "batch": 100_000},
        {"v": 2, "run_id": "a-0123456789", "batch": "3"},
        {"v": 2, "run_id": "a-0123456789", "batch": True},
        {"v": 2, "run_id": "a-0123456789", "batch": "explode"},
        {"v": 2, "run_id": "a-0123456789"},
        {"v": 2, "run_id": "a-0123456789", "batch": 0, "command": "rm"},
        [],
    ],
)
def test_foreign_messages_are_rejected(body: object) -> None:
    with pytest.raises(InputError, match=r"queue message|is not a run id"):
        BatchMessage.parse(json.dumps(body))


@given(st.text(max_size=50))
def test_any_text_is_a_message_or_raises(text: str) -> None:
    with pytest.raises(InputError):
        BatchMessage.parse(text)


@given(st.integers(1, 5000), st.integers(1, 300))
def test_batches_cover_every_frame_once_within_limit(frames: int, limit: int) -> None:
    borders = even_borders(frames, limit)
    sizes = [end - start for start, end in pairwise(borders)]
    assert (borders[0], borders[-1], sum(sizes)) == (0, frames, frames)
    assert min(sizes) >= 1
    assert max(sizes) <= limit
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-frames // limit), "as few as possible"


def plan(**changes: object) -> Plan:
    values: dict[str, object] = {
        "run_id": "a-0123456789",
        "name": "a",
        "correlation_id": "a-0123456789",
        "options": Options(scorer="copy"),
        "borders": (0, 3, 5),
        "manifest_sha256": "0" * 64,
        "frames": BlobRef(container="input", name="a/frames/"),
        "container": "mp4",
    }
    return Plan.model_validate(values | changes)


def test_plan_round_trips_with_equal_bytes() -> None:
    assert Plan.load_stored(plan().dumps()) == plan()
    assert plan().dumps() == plan().dumps()
    assert [plan().span(0), plan().span(1)] == [(0, 3), (3, 5)]
    assert (plan().batch_count, plan().frame_count, plan().scored) == (2, 5, (0, 1))
    assert plan(parent="b-0123456789", redo=(1,)).scored == (1,)
    for batch in (-1, 2):
        with pytest.raises(IndexError, match=f"batch {batch} of 2"):
            plan().span(batch)


@pytest.mark.parametrize("borders", [(0,), (1, 2), (0, 2, 2), (0, 3, 1), ()])
def test_plan_borders_must_rise(borders: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="borders"):
        plan(borders=borders)


PAINTING = PlannedStyle(
    name="a.jpg", blob=BlobRef(container="work", name="s"), sha256="1" * 64, kind="painting", width=4, height=3
)


def test_plan_with_keyframes_round_trips() -> None:
    keys = (PlannedKeyframe(at=0, weights=(0.25, 0.75)), PlannedKeyframe(at=1.5, weights=(1, 0)))
    created = plan(
        styles=(PAINTING, PAINTING), key_styles=keys, sample=(0, 4), makes="pictures", versions={"impasto": "1"}
    )
    assert Plan.load_stored(created.dumps()) == created
    assert created.product == "a-0123456789/video.mp4"
    assert plan(makes="records").product == "a-0123456789/records.jsonl"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"styles": (PAINTING,)}, "go together"),
        ({"key_styles": (PlannedKeyframe(at=0, weights=(1,)),)}, "go together"),
        ({"styles": (PAINTING,), "key_styles": (PlannedKeyframe(at=0, weights=(0.5, 0.5)),)}, "one weight per style"),
        ({"styles": (PAINTING,), "key_styles": (PlannedKeyframe(at=1, weights=(1,)),) * 2}, "must increase"),
        ({"sample": (5,)}, "out of range"),
        ({"sample": (-1,)}, "out of range"),
        ({"version": 1}, "version"),
    ],
)
def test_inconsistent_plan_is_rejected(changes: dict[str, object], fields: str) -> None:
    with pytest.raises(ValueError, match=fields):
        plan(**changes)


@pytest.mark.parametrize("weights", [(), (0.5,), (1.5, -0.5), (0.5, 0.6)])
def test_keyframe_weights_sum_to_one(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="weights"):
        PlannedKeyframe(at=0, weights=weights)


@given(st.integers(1, 10_000), st.integers(1, 20))
def test_sample_spreads_over_run(frames: int, count: int) -> None:
    sample = spread_sample(frames, count)
    assert len(sample) == min(frames, count)
    assert 0 <= sample[0] <= frames // len(sample)
    assert sample[-1] >= frames - 1 - frames // len(sample)
    steps = {after - before for before, after in pairwise(sample)}
    assert all(step > 0 for step in steps)
    assert max(steps, default=1) - min(steps, default=1) <= 1


def receipt(**changes: object) -> Receipt:
    stored = StoredFile(name="a/1", size=3, sha256="2" * 64, etag='"1"')
    values: dict[str, object] = {
        "run_id": "a-0123456789",
        "batch": 0,
        "start": 0,
        "end": 3,
        "plan_sha256": "3" * 64,
        "segment": stored,
        "log": "l",
        "task_id": "b00000",
        "device": "cpu",
        "times": TaskTimes(start_up=0, load=0, infer=0, save=0, total=1),
        "finished_at": "now",
    }
    return Receipt.model_validate(values | changes)


def test_receipt_has_either_segment_or_records() -> None:
    stored = receipt().segment
    assert receipt().part == stored
    assert receipt(frames=(stored,)).part == stored
    records = receipt(segment=None, records=stored)
    assert Receipt.load_stored(records.dumps()) == records
    assert records.part == stored
    for wrong in ({"segment": None}, {"records": stored}, {"segment": None, "records": stored, "frames": (stored,)}):
        with pytest.raises(ValueError, match=r"segment|painted frames"):
            receipt(**wrong)


def test_accounts_pass_on_no_key() -> None:
    local = account_from({"DATA": "AccountKey=k"}, "DATA")
    assert (local.connection_string, local.task_environment()) == ("AccountKey=k", {})
    urls = {"OPS__blobServiceUri": "https://o.blob.x", "OPS__queueServiceUri": "https://o.queue.x"}
    azure = account_from(urls | {"AZURE_CLIENT_ID": "me"}, "OPS")
    assert azure.client_id == "me"
    assert azure.task_environment() == urls
    for environ in ({}, {"DATA": ""}, {"DATA__queueServiceUri": "x"}):
        with pytest.raises(InputError, match="'DATA'") as raised:
            account_from(environ, "DATA")
        assert "DATA__blobServiceUri" in raised.value.remedy
