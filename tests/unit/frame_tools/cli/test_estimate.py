"""The command `estimate`: table, notes, and errors that name the invalid value."""

import math
from pathlib import Path

import pytest

from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs.throughput import tuning_seconds
from tests.support.cli import run, run_failing
from tests.support.clips import Clip, make_clip

FRAMES = 30


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", Clip(frames=FRAMES))


def estimate(*arguments: object) -> str:
    result = run("estimate", *arguments)
    assert (result.exit_code, result.stderr) == (ExitCode.OK, "")
    return result.stdout


def requested(text: str, label: str) -> str:
    """Return a row's value in the column `requested`."""
    return next(line.removeprefix(label).split()[0] for line in text.splitlines() if line.startswith(label))


def test_table_and_notes(clip: Path) -> None:
    text = estimate(clip, "--frames-per-batch", 10, "--seconds-per-frame", 2)
    assert (requested(text, "frames per batch"), requested(text, "batches")) == ("10", "3")
    assert f"{FRAMES} frames of 64x48" in text
    assert "2.0000 s per frame, 10.0 s per start-up; from the command line" in text


def test_a_painting_command_becomes_its_estimate(clip: Path, tmp_path: Path) -> None:
    style = tmp_path / "wave.jpg"
    style.write_bytes(b"a painting")
    command = [clip, "-s", style, "-o", tmp_path / "out.mp4", "--label", "spring", "--sound", "drop", "--gif", "-y"]
    assert f"{FRAMES} frames" in estimate(*command, "--strength", "80%", "--compare", "wipe")
    assert "nowhere.jpg" in run_failing(ExitCode.MISSING, "estimate", clip, "-s", tmp_path / "nowhere.jpg")
    assert "out.gif" in run_failing(ExitCode.INPUT, "estimate", clip, "-s", style, "-o", "out.gif")
    assert "strength" in run_failing(ExitCode.INPUT, "estimate", clip, "-s", style, "--strength", 2)


@pytest.mark.parametrize("scorer", ["gatys", "model", "script"])
def test_scorer_without_known_throughput_needs_seconds(clip: Path, scorer: str) -> None:
    assert repr(scorer) in run_failing(ExitCode.INPUT, "estimate", clip, "--scorer", scorer)
    text = estimate(clip, "--scorer", scorer, "--seconds-per-frame", 30)
    assert "30.0000 s per frame" in text
    batches = math.ceil(FRAMES / SCORERS[scorer].frames_per_batch)
    assert requested(text, "frames per batch") == str(math.ceil(FRAMES / batches))


def test_strokes_change_the_estimate(clip: Path) -> None:
    assert "painted at 256x192" in estimate(clip, "--strokes", "medium")
    assert "painted at 64x48" in estimate(clip, "--size", 480)
    assert "painted at 64x48" in estimate(clip, "--scorer", "copy")


def test_scorer_of_records_has_an_estimate(clip: Path) -> None:
    assert f"{FRAMES} frames" in estimate(clip, "--scorer", "describe")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--device", "abacus"], "abacus"),
        (["--scorer", "oil"], "oil"),
        (["--vm-size", "Standard_Abacus"], "Standard_Abacus"),
        (["--report", "nowhere.json"], "nowhere.json"),
        (["--prices", "nowhere.json"], "nowhere.json"),
    ],
)
def test_invalid_option_is_named(clip: Path, options: list[str], named: str) -> None:
    assert named in run_failing(ExitCode.INPUT, "estimate", clip, *options)


def test_invalid_video_is_named(tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear Theo")
    assert "letter.mp4" in run_failing(ExitCode.INPUT, "estimate", letter)
    assert "nowhere.mp4" in run_failing(ExitCode.MISSING, "estimate", tmp_path / "nowhere.mp4")


def test_tuning_is_part_of_the_estimate(clip: Path, tmp_path: Path) -> None:
    for name in ("wave.jpg", "swirls.jpg", "own.safetensors"):
        (tmp_path / name).write_bytes(b"a style")
    plain = estimate(clip, "--nodes", 2)
    tuned = estimate(clip, "--nodes", 2, "--tune")
    styles = [part for name in ("wave.jpg", "swirls.jpg", "own.safetensors") for part in ("-s", f"{tmp_path / name}=1")]
    both = estimate(clip, "--nodes", 2, "--tune", *styles)
    node_seconds = [int(requested(text, "node-seconds")) for text in (plain, tuned, both)]
    used = 1  # a clip of one batch
    seconds = used * tuning_seconds("gpu", 1)
    assert [value - node_seconds[0] for value in node_seconds] == [0, seconds, 2 * seconds]
    assert "tuning" not in plain
    assert "tuning to the painting takes" in tuned
    assert "tuning to 2 paintings takes" in both
    assert "'copy'" in run_failing(ExitCode.INPUT, "estimate", clip, "--scorer", "copy", "--tune")
