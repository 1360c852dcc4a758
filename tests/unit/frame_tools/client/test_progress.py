"""What the displays show: bars on a terminal, a line every ten seconds in a log, JSON lines, or nothing."""

import io
import json
from types import SimpleNamespace

import pytest
from rich.console import Console

from frame_tools.client.progress import JsonDisplay, Mode, PlainDisplay, clock_text, progress_display


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def plain() -> SimpleNamespace:
    lines: list[str] = []
    clock = Clock()
    return SimpleNamespace(lines=lines, clock=clock, display=PlainDisplay(lines.append, clock))


def test_log_gets_a_line_every_ten_seconds(plain: SimpleNamespace) -> None:
    for second in range(31):
        plain.clock.now = float(second)
        plain.display.show("painting", second, 100, unit="frames", rate=1.0, seconds_left=100 - second)
    assert plain.lines == [
        "painting 10/100  1.0 frames/s  1:30 left\n",
        "painting 20/100  1.0 frames/s  1:20 left\n",
        "painting 30/100  1.0 frames/s  1:10 left\n",
    ]


def test_log_says_once_that_a_long_stage_is_complete(plain: SimpleNamespace) -> None:
    for second, done in ((0, 0), (10, 50), (11, 100), (12, 100), (40, 100)):
        plain.clock.now = float(second)
        plain.display.show("painting", done, 100)
    assert plain.lines == ["painting 50/100\n", "painting 100/100\n"]


def test_log_gets_a_line_although_stages_are_short(plain: SimpleNamespace) -> None:
    for second in range(30):
        plain.clock.now = float(second)
        plain.display.show(f"stage {second // 4}", second % 4, 4)
    assert plain.lines == ["stage 2 2/4\n", "stage 5 0/4\n"]


def test_short_stage_is_not_logged(plain: SimpleNamespace) -> None:
    plain.display.show("painting", 0, 2)
    plain.display.show("painting", 2, 2)
    assert plain.lines == []


def test_log_says_what_a_run_waits_for(plain: SimpleNamespace) -> None:
    plain.display.show("waiting", 0, None, note="for a node")
    plain.clock.now = 10.0
    plain.display.show("waiting", 0, None, note="for a node")
    assert plain.lines == ["waiting …  for a node\n"]


def test_json_lines_are_objects() -> None:
    lines: list[str] = []
    clock = Clock()
    display = JsonDisplay(lines.append, clock)
    display.report("started", "run x", run_id="x")
    display.print("Note: a note.")
    for second, done in ((0, 0), (0.2, 1), (1.5, 2), (2, 4)):
        clock.now = second
        display.show("painting", done, 4, unit="frames", rate=2.0)
    documents = [json.loads(line) for line in lines]
    assert documents[:2] == [{"event": "started", "run_id": "x"}, {"event": "message", "text": "Note: a note."}]
    assert [(each["event"], each["done"], each["total"]) for each in documents[2:]] == [
        ("progress", 0, 4), ("progress", 2, 4), ("progress", 4, 4),
    ]  # fmt: skip
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)


def test_programs_see_what_a_run_waits_for() -> None:
    lines: list[str] = []
    clock = Clock()
    display = JsonDisplay(lines.append, clock)
    for second, note in ((0, "for a slot"), (5, "for a slot"), (9, "for a node")):
        clock.now = float(second)
        display.show("waiting", 0, None, note=note)
    assert [json.loads(line)["note"] for line in lines] == ["for a slot", "for a node"]


def test_names_are_shown_as_they_are() -> None:
    out = io.StringIO()
    with progress_display(Console(file=out, width=120, force_terminal=True, color_system=None)) as display:
        display.rows({"[b]clip:+1:.mp4": (1, 2)})
    assert "[b]clip:+1:.mp4" in out.getvalue()


def test_terminal_shows_frames_rate_and_time_left() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    with progress_display(console) as display:
        display.show("painting", 118, 248, unit="frames", rate=3.4, seconds_left=38)
        display.print("OpenCV(5.0.0) :-1: error [x]")
    text = out.getvalue()
    assert "118/248" in text
    assert "3.4 frames/s  0:38 left" in text
    assert "OpenCV(5.0.0) :-1: error [x]" in text, "neither emoji codes nor markup are replaced"


def test_quiet_shows_nothing() -> None:
    out = io.StringIO()
    with progress_display(Console(file=out), Mode.QUIET) as display:
        display.show("painting", 1, 1)
        display.print("a note")
        display.report("finished", "done")
    assert out.getvalue() == ""


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (38.4, "0:38"), (59.6, "1:00"), (3725, "1:02:05")])
def test_clock_text(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
