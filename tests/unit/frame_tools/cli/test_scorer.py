"""`scorer try`: its request, its report, and runs after changes."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer

from frame_tools.cli import scorer
from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.trial import TrialRequest, TrialResult
from frame_tools.costs.throughput import delivery_seconds
from tests.support.cli import run, run_failing

RESULT = TrialResult(
    makes="pictures", frames=3, device="cpu", width=64, height=48, scale=1, frames_per_call=1, load_seconds=0.5,
    milliseconds=(30, 10, 12), memory_mb=120, sha256="0" * 64,
)  # fmt: skip


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[TrialRequest]:
    received: list[TrialRequest] = []

    def run_scorer(arguments: Sequence[str]) -> str:
        received.append(TrialRequest.parse_input(Path(arguments[1]).read_bytes(), "request"))
        return f"hello from the program\n{RESULT.model_dump_json()}\n"

    monkeypatch.setattr(scorer, "run_scorer", run_scorer)
    for name in ("mine.py", "clip.mp4"):
        Path(name).touch()
    return received


def test_arguments_reach_the_program(requests: list[TrialRequest]) -> None:
    result = run("scorer", "try", "mine.py", "clip.mp4", "-n", 3, "--set", "k=4", "--seed", 7)
    assert result.exit_code == ExitCode.OK
    (request,) = requests
    assert (request.frames, request.arguments, request.seed) == (3, {"k": 4}, 7)
    assert request.out == Path("mine_try.jpg").resolve()
    assert "hello from the program" in result.stdout
    assert "11.0 ms a frame (the first 30.0)" in result.stdout
    assert result.stdout.endswith("mine_try.jpg\n")


def test_call_reaches_the_program_and_leads_to_an_estimate(
    requests: list[TrialRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("w.safetensors").touch()
    monkeypatch.setattr(
        scorer, "run_scorer", lambda arguments: _answer(requests, arguments, scale=4, width=640, height=480)
    )
    argv = ["mine.py", "clip.mp4", "-f", "w.safetensors", "--scale", 4, "--frames-per-call", 8]
    result = run("scorer", "try", *argv)
    assert result.exit_code == ExitCode.OK, result.output
    (request,) = requests
    assert (request.scale, request.frames_per_call, request.precision) == (4, 8, "float32")
    assert request.files == {"w.safetensors": Path("w.safetensors").resolve()}
    assert "3 frames of 640x480, pictures of 2560x1920 on cpu" in result.stdout
    seconds = 0.011 + delivery_seconds("cpu", width=2560, height=1920)
    assert f"impasto estimate clip.mp4 --scorer script --seconds-per-frame {seconds:.3f}" in result.stdout


def _answer(requests: list[TrialRequest], arguments: Sequence[str], **fields: int) -> str:
    requests.append(TrialRequest.parse_input(Path(arguments[1]).read_bytes(), "request"))
    return RESULT.model_copy(update=fields).model_dump_json()


@pytest.mark.usefixtures("requests")
def test_programs_read_json() -> None:
    result = run("scorer", "try", "mine.py", "clip.mp4", "--json")
    assert json.loads(result.stdout)["milliseconds"] == [30, 10, 12]


def test_watch_tries_again_after_each_change(requests: list[TrialRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    def failing_once(arguments: Sequence[str]) -> str:
        requests.append(TrialRequest.parse_input(Path(arguments[1]).read_bytes(), "request"))
        if len(requests) == 2:
            raise typer.Exit(ExitCode.INTERNAL)
        return RESULT.model_dump_json()

    def pause(_seconds: float) -> None:
        if len(requests) == 3:
            raise KeyboardInterrupt
        os.utime("mine.py", (0, len(requests)))

    monkeypatch.setattr(scorer, "run_scorer", failing_once)
    monkeypatch.setattr(time, "sleep", pause)
    assert run("scorer", "try", "mine.py", "clip.mp4", "--watch").exit_code == ExitCode.OK
    assert len(requests) == 3


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["nowhere.py", "clip.mp4"], ExitCode.MISSING, "nowhere.py"),
        (["mine.py", "nowhere.mp4"], ExitCode.MISSING, "nowhere.mp4"),
        (["mine.py", "clip.mp4", "-o", "sheet.gif"], ExitCode.INPUT, "sheet.gif"),
        (["mine.py", "clip.mp4", "--set", "k"], ExitCode.INPUT, "'k'"),
        (["mine.py", "clip.mp4", "--files", "gone.bin"], ExitCode.MISSING, "gone.bin"),
    ],
)
def test_errors_come_before_any_work(arguments: list[str], code: ExitCode, named: str) -> None:
    assert named in run_failing(code, "scorer", "try", *arguments)
