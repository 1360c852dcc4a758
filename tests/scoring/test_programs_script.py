"""The scorer `script`: the protocol of docs/scorers.md, and words for every way in which a script can break it."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import scoring
from benchmarks.memory_storage import MemoryContainer
from frame_tools.contracts.errors import InputError, InternalError
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import PlannedProgram
from frame_tools.storage.blobs import Blob
from scoring.scorers.programs import loading
from scoring.scorers.programs.context import ProgramContext
from scoring.scorers.programs.loading import load_program, read_program
from scoring.types import FramePosition, PictureError, RunInputs

RUN = RunInputs(options=Options(), sample=list)
MOMENTS = (FramePosition(50, 2.0), FramePosition(51, 2.04))
NEGATIVE = """
class Negative:
    def score(self, frames, moments):
        return 255 - frames

def load(context):
    return Negative()
"""


@pytest.fixture
def context(tmp_path):
    return ProgramContext(device="cpu", seed=7, arguments={"levels": 4}, scratch=tmp_path)


@pytest.fixture
def load(context):
    def make(text, makes="pictures"):
        data = text if isinstance(text, bytes) else text.encode()
        program = PlannedProgram(
            name="mosaic", file="mosaic.py", sha256=hashlib.sha256(data).hexdigest(), kind="script"
        )
        return load_program(program, data, context, makes=makes)

    return make


@pytest.fixture
def frames(noise):
    return noise(2, 12, 16, 3)


def scoring_with(body):
    """A script whose score has this body."""
    return f"class It:\n    def score(self, frames, moments):\n        {body}\ndef load(context):\n    return It()\n"


def describing(body):
    return scoring_with(body).replace("score", "describe")


def test_a_script_scores_frames(load, frames):
    scorer = load(NEGATIVE)
    assert np.array_equal(scorer.open(RUN, scorer.prepare(RUN))(frames, MOMENTS), 255 - frames)
    assert scorer.in_order
    assert scorer.makes == "pictures"
    assert scorer.frames_per_forward == 1
    assert scorer.device == "cpu"


def test_a_script_knows_its_moments_and_its_context(load, frames, tmp_path):
    scorer = load(
        """
class It:
    frames_per_call = 2
    def __init__(self, context):
        self.told = f"{context.device} {context.seed} {context.arguments['levels']} {context.scratch}"
    def describe(self, frames, moments):
        return [{"told": self.told, "index": m.index, "at": m.pts_seconds} for m in moments]
def load(context):
    return It(context)
""",
        makes="records",
    )
    assert scorer.makes == "records"
    assert scorer.frames_per_forward == 2
    told = f"cpu 7 4 {tmp_path}"
    assert scorer.open(RUN, {})(frames, MOMENTS) == [
        {"frame": 50, "seconds": 2.0, "told": told, "index": 50, "at": 2.0},
        {"frame": 51, "seconds": 2.04, "told": told, "index": 51, "at": 2.04},
    ]


def test_a_script_remembers_from_call_to_call(load, frames):
    body = "self.count = getattr(self, 'count', 0) + len(frames); return [{'count': self.count}] * len(frames)"
    describe = load(describing(body), makes="records").open(RUN, {})
    describe(frames, MOMENTS)
    assert describe(frames, MOMENTS)[1]["count"] == 4


def test_what_a_script_writes_into_its_frames_stays_with_it(load, frames):
    before = frames.copy()
    scored = load(scoring_with("frames[:] = 0; return frames")).open(RUN, {})(frames, MOMENTS)
    assert np.array_equal(frames, before)
    assert not scored.any()


def test_records_are_plain_copies(load, frames):
    describe = load(describing("self.kept = {'a': [1]}; return [self.kept] * len(frames)"), makes="records").open(
        RUN, {}
    )
    first, second = describe(frames, MOMENTS)
    first["a"].append(2)
    assert second["a"] == [1]


def test_dataclasses_work_in_a_script(load, frames):
    scorer = load(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass It:\n    level: int\n"
        "    def score(self, frames, moments):\n        return frames // self.level\n"
        "def load(context):\n    return It(context.arguments['levels'])\n"
    )
    assert np.array_equal(scorer.open(RUN, {})(frames, MOMENTS), frames // 4)


BROKEN_FILES = {
    "no Python": ("def load(:\n", InputError, r"is no Python file .*line 1"),
    "bytes of a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", InputError, "is no Python file"),
    "no text": (b"x = '\xff\xfe'", InputError, "is no Python file"),
    "empty": ("", InputError, "has no function load"),
    "load is a number": ("load = 3", InputError, "has no function load"),
    "no method": ("def load(context):\n    return object()", InputError, r"no method score\(frames, moments\)"),
    "a method that is none": ("class A: score = 1\ndef load(context):\n    return A()", InputError, "no method score"),
    "nothing loaded": ("def load(context):\n    pass", InputError, "no method score"),
    "fails at once": ("a = 1\n1 / 0", InternalError, "failed: line 2: ZeroDivisionError: division by zero"),
    "needs what is not there": ("import nothing_of_this_name", InternalError, "line 1: ModuleNotFoundError"),
    "load fails": (
        "def load(context):\n    raise OSError('no disk')",
        InternalError,
        "failed to load: line 2: OSError: no",
    ),
    "load ends the process": (
        "import sys\ndef load(context):\n    sys.exit(0)",
        InternalError,
        "line 3: SystemExit: 0",
    ),
    "ends the process": ("raise SystemExit", InternalError, "line 1: SystemExit"),
    "load takes nothing": ("def load():\n    pass", InternalError, "failed to load: TypeError"),
    "too many at once": (
        NEGATIVE.replace("class Negative:", "class Negative:\n    frames_per_call = 65"),
        InputError,
        "65",
    ),
    "none at once": (
        NEGATIVE.replace("class Negative:", "class Negative:\n    frames_per_call = 0"),
        InputError,
        "per_call 0",
    ),
    "half at once": (
        NEGATIVE.replace("class Negative:", "class Negative:\n    frames_per_call = 2.5"),
        InputError,
        "2.5",
    ),
    "words at once": (
        NEGATIVE.replace("class Negative:", "class Negative:\n    frames_per_call = '2'"),
        InputError,
        "'2'",
    ),
}


@pytest.mark.parametrize("kind", BROKEN_FILES)
def test_a_broken_file_is_refused_in_words(load, kind):
    text, error, words = BROKEN_FILES[kind]
    with pytest.raises(error, match=words) as caught:
        load(text)
    assert type(caught.value) is error
    assert caught.value.what.startswith("The program mosaic ")
    assert "operator" in caught.value.remedy


def test_a_script_for_pictures_does_not_make_records(load):
    with pytest.raises(InputError, match=r"makes records, but .* no method describe"):
        load(NEGATIVE, makes="records")


WRONG_PICTURES = {
    "nothing": ("pass", InputError, r"answered NoneType, not uint8 \(2, 12, 16, 3\)"),
    "floats": ("return frames / 2", InputError, r"answered float64 \(2, 12, 16, 3\), not uint8"),
    "fewer": ("return frames[:1]", InputError, r"answered uint8 \(1, 12, 16, 3\)"),
    "smaller": ("return frames[:, ::2]", InputError, r"\(2, 6, 16, 3\)"),
    "without colour": ("return frames[..., 0]", InputError, r"\(2, 12, 16\)"),
    "a list": ("return list(frames)", InputError, "answered list"),
    "an error": ("return frames[5]", InternalError, "failed: line 3: IndexError: index 5"),
    "an end": ("raise SystemExit(0)", InternalError, "failed: line 3: SystemExit: 0"),
    "an error elsewhere": ("import json; json.loads('{')", InternalError, "failed: line 3: JSONDecodeError"),
}


@pytest.mark.parametrize("kind", WRONG_PICTURES)
def test_a_wrong_picture_is_refused_in_words(load, frames, kind):
    body, fault, words = WRONG_PICTURES[kind]
    with pytest.raises(PictureError, match=words) as caught:
        load(scoring_with(body)).open(RUN, {})(frames, MOMENTS)
    assert caught.value.fault is fault
    assert caught.value.position == 0


WRONG_RECORDS = {
    "nothing": ("pass", 0, "answered NoneType, not a list of 2 records"),
    "fewer": ("return [{}]", 0, "answered 1 records, not a list of 2"),
    "lists": ("return [{}, []]", 1, "answered list, not a dict"),
    "numbers as keys": ("return [{}, {1: 2}]", 1, "words as keys"),
    "arrays": ("return [{'mean': frames.mean(0)}] * 2", 0, "no JSON"),
    "no numbers": ("return [{}, {'a': float('nan')}]", 1, "no JSON"),
    "circles": ("a = {}; a['a'] = a; return [a, a]", 0, "no JSON"),
    "too much": ("return [{}, {'a': 'b' * 70000}]", 1, "more than 65536"),
    "its own frame": ("return [{'frame': 3}, {}]", 0, "its own 'frame'"),
    "its own seconds": ("return [{}, {'seconds': 3}]", 1, "its own 'seconds'"),
}


@pytest.mark.parametrize("kind", WRONG_RECORDS)
def test_a_wrong_record_is_refused_in_words(load, frames, kind):
    body, position, words = WRONG_RECORDS[kind]
    with pytest.raises(PictureError, match=words) as caught:
        load(describing(body), makes="records").open(RUN, {})(frames, MOMENTS)
    assert caught.value.fault is InputError
    assert caught.value.position == position


def test_frames_of_another_kind_never_reach_a_script(load):
    with pytest.raises(InternalError, match=r"uint8 \(B, H, W, 3\)"):
        load(NEGATIVE).open(RUN, {})(np.zeros((1, 4, 4, 3)), MOMENTS[:1])


def planned(data, **changes):
    words = {"name": "mosaic", "file": "mosaic.py", "sha256": hashlib.sha256(data).hexdigest(), "kind": "script"}
    return PlannedProgram(**{**words, **changes})


def test_another_hash_is_refused_and_nothing_runs(context, tmp_path):
    data = f"import os\nos.mkdir({str(tmp_path / 'done')!r})\n".encode()
    with pytest.raises(InputError, match="not the planned"):
        load_program(planned(data, sha256="1" * 64), data, context, makes="pictures")
    assert not (tmp_path / "done").exists()
    with pytest.raises(InputError, match="no function load"):
        load_program(planned(data), data, context, makes="pictures")
    assert (tmp_path / "done").exists(), "the script does nothing, so the test shows nothing"


class Scripts(MemoryContainer):
    """Reads at most what it is told to, as the real one does, and notes how much it gave last."""

    given = 0

    def read(self, name, *, limit=None):
        blob = super().read(name)
        if blob is None:
            return None
        self.given = len(blob.data[: limit + 1])
        return Blob(data=blob.data[: limit + 1], etag=blob.etag)


def test_a_file_is_read_from_the_operators_container(monkeypatch):
    data = NEGATIVE.encode()
    scripts = Scripts("scripts")
    scripts.write("mosaic.py", data)
    assert read_program(planned(data), scripts) == data
    with pytest.raises(InputError, match=r"no file 'other\.py' in the container scripts"):
        read_program(planned(data, file="other.py"), scripts)
    monkeypatch.setattr(loading, "MAX_PROGRAM_BYTES", len(data))
    assert read_program(planned(data), scripts) == data
    monkeypatch.setattr(loading, "MAX_PROGRAM_BYTES", 10)
    with pytest.raises(InputError, match="more than"):
        read_program(planned(data), scripts)
    assert scripts.given == 11, "a larger file must not be read whole"


def test_the_example_of_the_document_works(load, frames):
    page = (Path(scoring.__file__).parents[1] / "docs" / "scorers.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    score = load(example).open(RUN, {})
    now, later = (score(frames[:1], (moment,)) for moment in MOMENTS)
    assert set(np.unique(now)) == {0, 85, 170, 255}, "four levels were asked for"
    assert np.abs(now.astype(int) - frames[:1]).max() <= 85
    assert not np.array_equal(now, later)
    assert np.array_equal(load(example).open(RUN, {})(frames[:1], MOMENTS[:1]), now)
