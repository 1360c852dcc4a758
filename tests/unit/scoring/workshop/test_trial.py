"""Trials of programs: samples and faulty ones, with the messages of a node."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from frame_tools.contracts.errors import InputError, MissingError, ProgramError
from frame_tools.contracts.trial import TrialRequest
from scoring.workshop.trial import try_program
from tests.support.clips import Clip, make_clip
from tests.support.moving_scenes import wide_picture

SAMPLES = Path(__file__).parents[4] / "samples" / "scorers"


@pytest.fixture
def attempt(tmp_path):
    """Return a function that tries a program, given as a path or as its text."""
    video = make_clip(tmp_path / "clip.mp4", Clip(frames=6, size=(96, 64)))

    def run(program, *, call=None, **arguments):
        if isinstance(program, str):
            (tmp_path / "mine.py").write_text(program)
            program = tmp_path / "mine.py"
        request = TrialRequest(
            program=program, video=video, frames=4, arguments=arguments, out=tmp_path / "sheet.png", **(call or {})
        )
        return try_program(request)

    return run


def test_posterize_reduces_the_levels(attempt, tmp_path):
    result = attempt(SAMPLES / "posterize.py", levels=2)
    assert (result.makes, result.frames, (result.width, result.height)) == ("pictures", 4, (96, 64))
    assert len(result.milliseconds) == 4
    assert result.memory_mb > 10
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 4 * 400


def test_segmentation_tints_the_object(attempt, tmp_path):
    assert attempt(SAMPLES / "segmentation_overlay.py", opacity=1).makes == "pictures"
    assert (tmp_path / "sheet.png").is_file()


def test_segmentation_finds_a_box(tmp_path, attempt):
    result = attempt(SAMPLES / "segmentation_records.py")
    assert (result.makes, result.frames_per_call, len(result.records)) == ("records", 8, 4)
    records = [json.loads(line) for line in result.records]
    assert [record["frame"] for record in records] == [0, 1, 2, 3]
    assert all(0 <= record["share"] <= 1 for record in records)
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("name", ["segmentation_overlay.py", "segmentation_records.py"])
def test_segmentation_separates_a_square_from_its_background(name, tmp_path):
    frame = np.full((60, 80, 3), (40, 90, 40), np.uint8)
    frame[20:40, 30:50] = (230, 200, 60)
    module: dict[str, Any] = {}
    exec(compile((SAMPLES / name).read_bytes(), name, "exec"), module)  # noqa: S102 - our own sample
    context = type("Context", (), {"arguments": {"opacity": 1.0}, "seed": 0, "device": "cpu", "scratch": tmp_path})
    scorer = module["load"](context)
    if name.endswith("records.py"):
        assert scorer.describe([frame], ()) == [{"share": round(400 / 4800, 4), "boxes": [[30, 20, 20, 20]]}]
    else:
        (out,) = scorer.score(frame[None], ())
        assert tuple(out[30, 40]) == module["TINT"]
        assert np.array_equal(out[5, 5], frame[5, 5])


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript_model_is_tried(attempt, tmp_path):
    model = torch.nn.Conv2d(3, 3, 1)
    torch.jit.save(torch.jit.script(model), tmp_path / "sea.pt")
    assert attempt(tmp_path / "sea.pt").makes == "pictures"


def test_error_is_that_of_a_node(attempt):
    with pytest.raises(ProgramError, match=r"000001\.jpg.*line 3: ZeroDivisionError"):
        attempt(
            "class It:\n    def score(self, frames, positions):\n        1 / 0\ndef load(context):\n    return It()\n"
        )
    with pytest.raises(InputError, match="no function load"):
        attempt("a = 1\n")


def test_missing_and_unknown_programs_are_named(attempt, tmp_path):
    with pytest.raises(MissingError, match=r"nowhere\.py"):
        attempt(tmp_path / "nowhere.py")
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match=r"mine\.txt"):
        attempt(tmp_path / "mine.txt")


def test_super_resolution_doubles_the_size(attempt, tmp_path):
    result = attempt(SAMPLES / "super_resolution.py", call={"scale": 2})
    assert (result.makes, result.frames, (result.width, result.height), result.scale) == ("pictures", 4, (96, 64), 2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 4 * 400


def test_super_resolution_needs_its_scale(attempt):
    with pytest.raises(InputError, match=r"\(1, 128, 192, 3\), not uint8 \(1, 64, 96, 3\)"):
        attempt(SAMPLES / "super_resolution.py")


def test_super_resolution_is_closer_to_the_original_than_interpolation():
    module: dict[str, Any] = {}
    code = compile((SAMPLES / "super_resolution.py").read_bytes(), "super_resolution.py", "exec")
    exec(code, module)  # noqa: S102 - our own sample
    context = type("Context", (), {"arguments": {}, "seed": 0, "device": "cpu", "files": {}})
    original = wide_picture(96, 128)
    small = cv2.resize(original, (64, 48), interpolation=cv2.INTER_AREA)
    (result,) = module["load"](context).score(small[None], ())

    def error(picture):
        return np.square(picture.astype(float) - original).mean()

    assert error(result) < error(cv2.resize(small, (128, 96), interpolation=cv2.INTER_LANCZOS4))
    assert error(result) < error(cv2.resize(small, (128, 96), interpolation=cv2.INTER_CUBIC))
    flat = np.full((1, 5, 7, 3), 90, np.uint8)
    assert np.unique(module["load"](context).score(flat, ())).tolist() == [90]


def test_trial_gives_files_and_calls_as_a_node_does(attempt, tmp_path):
    (tmp_path / "level.txt").write_text("40")
    program = """
class It:
    def __init__(self, context):
        self.level = int(context.files["level.txt"].read_text())
    def describe(self, frames, positions):
        return [{"level": self.level, "frames": len(frames)} for _ in frames]
def load(context):
    return It(context)
"""
    result = attempt(program, call={"files": {"level.txt": tmp_path / "level.txt"}, "frames_per_call": 3})
    records = [json.loads(line) for line in result.records]
    assert [(record["level"], record["frames"]) for record in records] == [(40, 3), (40, 3), (40, 3), (40, 1)]


@pytest.mark.parametrize(
    ("name", "call", "named"),
    [
        ("segmentation_records.py", {"scale": 2}, "records have no size"),
        ("posterize.py", {"precision": "float16"}, "precision"),
    ],
)
def test_call_that_no_list_allows_is_refused(attempt, name, call, named):
    with pytest.raises(InputError, match=named):
        attempt(SAMPLES / name, call=call)


def test_every_sample_is_tried():
    tested = {"posterize.py", "segmentation_overlay.py", "segmentation_records.py", "super_resolution.py"}
    assert {path.name for path in SAMPLES.glob("*.py")} == tested
