"""The scorer `script`: the protocol of docs/scorers.md, and an error for every violation of it."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import scoring
from frame_tools.contracts.errors import InputError, InternalError, NextStep, ProgramError
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import PlannedProgram
from scoring.scorers.programs.context import ProgramContext
from scoring.scorers.programs.loading import load_program
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
    def make(text, makes="pictures", **call):
        data = text if isinstance(text, bytes) else text.encode()
        program = PlannedProgram(
            name="mosaic", file="mosaic.py", sha256=hashlib.sha256(data).hexdigest(), kind="script", **call
        )
        return load_program(program, data, context, makes=makes)

    return make


@pytest.fixture
def frames(noise):
    return noise(2, 12, 16, 3)


def scoring_with(body):
    """Return a script whose score has this body."""
    return f"class It:\n    def score(self, frames, moments):\n        {body}\ndef load(context):\n    return It()\n"


def describing(body):
    return scoring_with(body).replace("score", "describe")


def test_script_scores_frames(load, frames):
    scorer = load(NEGATIVE)
    assert np.array_equal(scorer.open(RUN, scorer.prepare(RUN))(frames, MOMENTS), 255 - frames)
    assert scorer.in_order
    assert scorer.makes == "pictures"
    assert scorer.frames_per_forward == 1
    assert scorer.device == "cpu"


def test_script_gets_positions_and_context(load, frames, tmp_path):
    scorer = load(
        """
class It:
    frames_per_call = 2
    def __init__(self, context):
        self.context = f"{context.device} {context.seed} {context.arguments['levels']} {context.scratch}"
    def describe(self, frames, moments):
        return [{"context": self.context, "index": m.index, "at": m.pts_seconds} for m in moments]
def load(context):
    return It(context)
""",
        makes="records",
    )
    assert scorer.makes == "records"
    assert scorer.frames_per_forward == 2
    context = f"cpu 7 4 {tmp_path}"
    assert scorer.open(RUN, {})(frames, MOMENTS) == [
        {"frame": 50, "seconds": 2.0, "context": context, "index": 50, "at": 2.0},
        {"frame": 51, "seconds": 2.04, "context": context, "index": 51, "at": 2.04},
    ]


def test_script_keeps_state_between_calls(load, frames):
    body = "self.count = getattr(self, 'count', 0) + len(frames); return [{'count': self.count}] * len(frames)"
    describe = load(describing(body), makes="records").open(RUN, {})
    describe(frames, MOMENTS)
    assert describe(frames, MOMENTS)[1]["count"] == 4


def test_script_cannot_change_the_input_frames(load, frames):
    before = frames.copy()
    scored = load(scoring_with("frames[:] = 0; return frames")).open(RUN, {})(frames, MOMENTS)
    assert np.array_equal(frames, before)
    assert not scored.any()


def test_records_are_copies(load, frames):
    describe = load(describing("self.kept = {'a': [1]}; return [self.kept] * len(frames)"), makes="records").open(
        RUN, {}
    )
    first, second = describe(frames, MOMENTS)
    first["a"].append(2)
    assert second["a"] == [1]


def test_script_may_define_dataclasses(load, frames):
    scorer = load(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass It:\n    level: int\n"
        "    def score(self, frames, moments):\n        return frames // self.level\n"
        "def load(context):\n    return It(context.arguments['levels'])\n"
    )
    assert np.array_equal(scorer.open(RUN, {})(frames, MOMENTS), frames // 4)


INVALID_FILES = {
    "not Python": ("def load(:\n", InputError, r"Python file .*line 1"),
    "PNG file": (b"\x89PNG\r\n\x1a\n\x00\x00", InputError, "not a Python file"),
    "invalid encoding": (b"x = '\xff\xfe'", InputError, "not a Python file"),
    "empty": ("", InputError, r"load\(context\)"),
    "load is a number": ("load = 3", InputError, r"load\(context\)"),
    "no method": ("def load(context):\n    return object()", InputError, r"no method score\("),
    "score is not callable": ("class A: score = 1\ndef load(context):\n    return A()", InputError, "no method score"),
    "load returns None": ("def load(context):\n    pass", InputError, "no method score"),
    "module raises": ("a = 1\n1 / 0", ProgramError, "failed: line 2: ZeroDivisionError: division by zero"),
    "missing module": ("import nothing_of_this_name", ProgramError, "line 1: ModuleNotFoundError"),
    "load raises": (
        "def load(context):\n    raise OSError('no disk')",
        InternalError,
        "failed to load: line 2: OSError: no",
    ),
    "load exits": (
        "import sys\ndef load(context):\n    sys.exit(0)",
        ProgramError,
        "line 3: SystemExit: 0",
    ),
    "module exits": ("raise SystemExit", ProgramError, "line 1: SystemExit"),
    "load without parameter": ("def load():\n    pass", ProgramError, "failed to load: TypeError"),
    "too many frames per call": (
        NEGATIVE.replace("class Negative:", "class Negative:\n    frames_per_call = 65"),
        InputError,
        "65",
    ),
    "no frames per call": (
        NEGATIVE.replace("class Negative:", "class Negative:\n    frames_per_call = 0"),
        InputError,
        "per_call 0",
    ),
    "fractional frames per call": (
        NEGATIVE.replace("class Negative:", "class Negative:\n    frames_per_call = 2.5"),
        InputError,
        "2.5",
    ),
    "frames per call as text": (
        NEGATIVE.replace("class Negative:", "class Negative:\n    frames_per_call = '2'"),
        InputError,
        "'2'",
    ),
}


@pytest.mark.parametrize("kind", INVALID_FILES)
def test_invalid_script_is_rejected_with_the_cause(load, kind):
    text, error, cause = INVALID_FILES[kind]
    with pytest.raises(error, match=cause) as caught:
        load(text)
    assert type(caught.value) is error
    assert "mosaic" in caught.value.what
    assert caught.value.next_step is NextStep.START_NEW_RUN


def test_script_for_pictures_does_not_make_records(load):
    with pytest.raises(InputError, match=r"makes records.*describe"):
        load(NEGATIVE, makes="records")


INVALID_PICTURES = {
    "None": ("pass", InputError, r"NoneType, not uint8 \(2, 12, 16, 3\)"),
    "floats": ("return frames / 2", InputError, r"float64 \(2, 12, 16, 3\), not uint8"),
    "fewer": ("return frames[:1]", InputError, r"uint8 \(1, 12, 16, 3\)"),
    "smaller": ("return frames[:, ::2]", InputError, r"\(2, 6, 16, 3\)"),
    "without color": ("return frames[..., 0]", InputError, r"\(2, 12, 16\)"),
    "list": ("return list(frames)", InputError, "list"),
    "exception": ("return frames[5]", ProgramError, "failed: line 3: IndexError: index 5"),
    "exit": ("raise SystemExit(0)", ProgramError, "failed: line 3: SystemExit: 0"),
    "exception in a library": ("import json; json.loads('{')", ProgramError, "failed: line 3: JSONDecodeError"),
}


@pytest.mark.parametrize("kind", INVALID_PICTURES)
def test_invalid_picture_is_rejected_with_the_cause(load, frames, kind):
    body, fault, cause = INVALID_PICTURES[kind]
    with pytest.raises(PictureError, match=cause) as caught:
        load(scoring_with(body)).open(RUN, {})(frames, MOMENTS)
    assert caught.value.fault is fault
    assert caught.value.position == 0


INVALID_RECORDS = {
    "None": ("pass", 0, "NoneType, not a list of 2 records"),
    "fewer": ("return [{}]", 0, "1 records, not a list of 2"),
    "lists": ("return [{}, []]", 1, "list, not a dict"),
    "numbers as keys": ("return [{}, {1: 2}]", 1, "strings as keys"),
    "arrays": ("return [{'mean': frames.mean(0)}] * 2", 0, "not JSON"),
    "NaN": ("return [{}, {'a': float('nan')}]", 1, "not JSON"),
    "circular reference": ("a = {}; a['a'] = a; return [a, a]", 0, "not JSON"),
    "too large": ("return [{}, {'a': 'b' * 70000}]", 1, "more than 65536"),
    "reserved frame": ("return [{'frame': 3}, {}]", 0, "'frame'"),
    "reserved seconds": ("return [{}, {'seconds': 3}]", 1, "'seconds'"),
}


@pytest.mark.parametrize("kind", INVALID_RECORDS)
def test_invalid_record_is_rejected_with_the_cause(load, frames, kind):
    body, position, cause = INVALID_RECORDS[kind]
    with pytest.raises(PictureError, match=cause) as caught:
        load(describing(body), makes="records").open(RUN, {})(frames, MOMENTS)
    assert caught.value.fault is InputError
    assert caught.value.position == position


def test_frames_of_another_dtype_never_reach_a_script(load):
    with pytest.raises(InternalError, match=r"uint8 \(B, H, W, 3\)"):
        load(NEGATIVE).open(RUN, {})(np.zeros((1, 4, 4, 3)), MOMENTS[:1])


def planned(data, **changes):
    fields = {"name": "mosaic", "file": "mosaic.py", "sha256": hashlib.sha256(data).hexdigest(), "kind": "script"}
    return PlannedProgram(**{**fields, **changes})


def test_another_hash_is_rejected_and_nothing_runs(context, tmp_path):
    data = f"import os\nos.mkdir({str(tmp_path / 'done')!r})\n".encode()
    with pytest.raises(InputError, match="planned 1111"):
        load_program(planned(data, sha256="1" * 64), data, context, makes="pictures")
    assert not (tmp_path / "done").exists()
    with pytest.raises(InputError, match=r"load\(context\)"):
        load_program(planned(data), data, context, makes="pictures")
    assert (tmp_path / "done").exists(), "the script has no effect, so the test would prove nothing"


def test_example_of_the_documentation_works(load, frames):
    page = (Path(scoring.__file__).parents[1] / "docs" / "scorers.md").read_text(encoding="utf-8")
    (example,) = (text for text in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "Posterise" in text)
    score = load(example).open(RUN, {})
    first, second = (score(frames[:1], (moment,)) for moment in MOMENTS)
    assert set(np.unique(first)) == {0, 85, 170, 255}, "the argument asks for four levels"
    assert np.abs(first.astype(int) - frames[:1]).max() <= 85
    assert not np.array_equal(first, second)
    assert np.array_equal(load(example).open(RUN, {})(frames[:1], MOMENTS[:1]), first)


def test_traceback_shows_the_lines_of_the_script_only(load, frames, capsys):
    body = "return self.deep(frames)\n    def deep(self, frames):\n        return np.stack(7)"
    describe = load("import numpy as np\n" + scoring_with(body)).open(RUN, {})
    with pytest.raises(PictureError) as caught:
        describe(frames, MOMENTS)
    assert caught.value.fault is ProgramError
    lines = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert "return np.stack(7)" in lines
    assert [line for line in lines if line.startswith("File ")] == [
        'File "mosaic.py", line 4, in score',
        'File "mosaic.py", line 6, in deep',
    ]


@pytest.mark.parametrize("error", ["MemoryError", "OSError"])
def test_error_of_the_machine_is_not_that_of_the_script(load, frames, error):
    with pytest.raises(PictureError) as caught:
        load(scoring_with(f"raise {error}('x')")).open(RUN, {})(frames, MOMENTS)
    assert caught.value.fault is InternalError


def test_script_of_a_scale_enlarges(load, frames):
    score = load(scoring_with("return frames.repeat(3, 1).repeat(3, 2)"), scale=3).open(RUN, {})
    assert np.array_equal(score(frames, MOMENTS), frames.repeat(3, 1).repeat(3, 2))


def test_script_of_another_scale_is_rejected_with_both_shapes(load, frames):
    score = load(NEGATIVE, scale=2).open(RUN, {})
    with pytest.raises(PictureError, match=r"uint8 \(2, 12, 16, 3\), not uint8 \(2, 24, 32, 3\)") as caught:
        score(frames, MOMENTS)
    assert caught.value.fault is InputError


@pytest.mark.parametrize(("own", "listed", "used"), [(5, None, 5), (5, 7, 7), (None, 7, 7), (None, None, 1)])
def test_frames_per_call_of_the_list_comes_first(load, own, listed, used):
    text = (
        NEGATIVE
        if own is None
        else NEGATIVE.replace("class Negative:", f"class Negative:\n    frames_per_call = {own}")
    )
    assert load(text, frames_per_call=listed).frames_per_forward == used


def test_script_reads_its_files(load, context, frames, tmp_path):
    (tmp_path / "level.txt").write_text("40")
    context = replace(context, files={"level.txt": tmp_path / "level.txt"})
    text = NEGATIVE.replace("return Negative()", "return Negative(context)").replace(
        "    def score", "    def __init__(self, context):\n"
        "        self.level = int(context.files['level.txt'].read_text())\n    def score"
    ).replace("255 - frames", "frames * 0 + self.level")  # fmt: skip
    data = text.encode()
    program = PlannedProgram(name="mosaic", file="mosaic.py", sha256=hashlib.sha256(data).hexdigest(), kind="script")
    score = load_program(program, data, context, makes="pictures").open(RUN, {})
    assert np.unique(np.asarray(score(frames, MOMENTS))).tolist() == [40]
