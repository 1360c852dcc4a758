"""`preview`: the rows of the grid, what each would take, and `--go`."""

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from frame_tools.cli import preview
from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.preview import PreviewProgress, PreviewRequest, PreviewResult
from tests.support.cli import run, run_failing
from tests.support.clips import Clip, make_clip
from tests.support.in_process_app import connection
from tests.support.style_files import jpeg_painting


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[PreviewRequest]:
    """Files in the current folder; the requests that reach the scorer, which paints nothing."""
    received: list[PreviewRequest] = []

    def run_scorer(arguments: Sequence[str], on_line: Callable[[str], None]) -> str:
        assert arguments[0] == "preview"
        request = PreviewRequest.parse_input(Path(arguments[1]).read_bytes(), "request")
        received.append(request)
        lines = [PreviewProgress(rows=done).model_dump_json() for done in sorted({1, len(request.rows)})]
        lines = ["a warning of a library", *lines]
        lines.append(PreviewResult(row_seconds=(0.1,) * len(request.rows), seconds=1).model_dump_json())
        for line in lines:
            on_line(line)
        return "\n".join(lines) + "\n"

    monkeypatch.setattr(preview, "run_scorer", run_scorer)
    make_clip(Path("clip.mp4"), Clip(frames=4))
    for name in ("sea.jpg", "sky.jpg"):
        Path(name).write_bytes(jpeg_painting())
    return received


def rows(*arguments: object) -> list[dict[str, Any]]:
    result = run("preview", "clip.mp4", *arguments, "--json")
    assert result.exit_code == ExitCode.OK, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    return [each for each in events if each["event"] == "row"]


def test_grid_is_every_combination(requests: list[PreviewRequest]) -> None:
    grid = rows("-s", "sea.jpg", "-s", "sky.jpg")
    assert [(row["row"], *row["styles"], *row["options"].values()) for row in grid] == [
        (number, style, strokes, strength)
        for number, (style, strokes, strength) in enumerate(
            (
                (style, strokes, strength)
                for style in ("sea.jpg", "sky.jpg")
                for strokes in ("fine", "medium", "broad")
                for strength in ("100%", "60%")
            ),
            start=1,
        )
    ]
    (request,) = requests
    assert [row.options.strength for row in request.rows] == [1.0, 0.6] * 6
    assert (request.frames, request.out) == (3, Path("clip_preview.jpg").resolve())


def test_fine_strokes_take_longer(requests: list[PreviewRequest]) -> None:
    fine, broad = rows("-s", "sea.jpg", "--strokes", 0.5, "--strokes", 8, "--strength", 1)
    assert fine["local_seconds"] > broad["local_seconds"]
    assert fine["azure_usd"] >= broad["azure_usd"] > 0
    assert requests[0].rows[0].options.strokes == 0.5


@pytest.mark.usefixtures("requests")
def test_first_sheet_is_announced_early() -> None:
    result = run("preview", "clip.mp4", "-s", "sea.jpg")
    assert result.stderr.splitlines() == ["clip_preview.jpg has 1 of 6 rows."]
    lines = [json.loads(line) for line in run("preview", "clip.mp4", "-s", "sea.jpg", "--json").stdout.splitlines()]
    assert lines[0] == {"event": "sheet", "sheet": "clip_preview.jpg", "rows": 1, "of": 6}


@pytest.mark.usefixtures("requests")
def test_cost_of_strokes_is_relative_to_the_default() -> None:
    make_clip(Path("clip.mp4"), Clip(frames=4, size=(640, 360)))
    factors = [row["stroke_factor"] for row in rows("-s", "sea.jpg", "--strength", 1)]
    fine, medium, broad = factors
    assert fine > 2 > medium == 1 > broad
    assert f"{fine:.1f}x" in run("preview", "clip.mp4", "-s", "sea.jpg").stdout


@pytest.mark.usefixtures("requests")
def test_each_command_paints_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = rows("-s", "sea.jpg", "--strokes", "broad", "--strength", "80%", "--preserve-color", "luma")
    painted: list[Any] = []
    monkeypatch.setattr("frame_tools.cli.paint.connect", lambda _api, _key: connection())
    monkeypatch.setattr("frame_tools.cli.paint.run_painting", lambda painting, *_a, **_k: painted.append(painting))
    assert run(*shlex.split(row["command"])[1:]).exit_code == ExitCode.OK
    trigger = painted[0].trigger
    assert (trigger.strokes, trigger.strength, trigger.preserve_color) == ("broad", 0.8, "luma")


def test_mix_is_one_painting_and_size_replaces_strokes(requests: list[PreviewRequest]) -> None:
    rows("-s", "sea.jpg=1", "-s", "sky.jpg=3", "--size", 240, "--strength", 1)
    (row,) = requests[0].rows
    assert [style.weight for style in row.styles] == [1, 3]
    assert (row.options.size, row.options.strokes) == (240, None)


def test_table_has_each_command(requests: list[PreviewRequest]) -> None:
    result = run("preview", "clip.mp4", "-s", "sea.jpg", "-o", "sheet.png")
    assert result.exit_code == ExitCode.OK
    assert [row.caption in result.stdout for row in requests[0].rows] == [True] * 6
    assert result.stdout.endswith("sheet.png\n")


def test_go_paints_the_row(monkeypatch: pytest.MonkeyPatch, requests: list[PreviewRequest]) -> None:
    painted: list[Any] = []
    monkeypatch.setattr(preview, "connect", lambda _api, _key: connection())
    monkeypatch.setattr(preview, "run_painting", lambda painting, *_a, **_k: painted.append(painting) or "out.mp4")
    assert run("preview", "clip.mp4", "-s", "sea.jpg", "--go", 6).stdout == "out.mp4\n"
    assert (painted[0].trigger.strokes, painted[0].trigger.strength) == ("broad", 0.6)
    assert requests == []


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["nowhere.mp4", "-s", "sea.jpg"], ExitCode.MISSING, "nowhere.mp4"),
        (["clip.mp4", "-s", "nowhere.jpg"], ExitCode.MISSING, "nowhere.jpg"),
        (["clip.mp4"], ExitCode.INPUT, "-s"),
        (["clip.mp4", "-s", "sea.jpg", "-o", "sheet.gif"], ExitCode.INPUT, "sheet.gif"),
        (["clip.mp4", "-s", "sea.jpg", "--go", 7], ExitCode.INPUT, "1 to 6"),
        (["clip.mp4", "-s", "sea.jpg", "--strokes", "wide"], ExitCode.INPUT, "wide"),
        (["clip.mp4", "-s", "sea.jpg", *(["--strength", 0.5] * 21)], ExitCode.INPUT, "63 rows"),
    ],
)
def test_errors_come_before_any_work(arguments: list[object], code: ExitCode, named: str) -> None:
    assert named in run_failing(code, "preview", *arguments)
