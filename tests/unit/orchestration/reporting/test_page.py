"""The page of a run: pictures, facts and the command that repeats it, in one file that escapes what people wrote."""

import re
import shlex
from itertools import pairwise
from typing import Any

import pytest

from frame_tools.cli.options import build_trigger, parse_styles
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.trigger import Trigger
from orchestration.reporting.facts import clock_text, sections
from orchestration.reporting.page import build_page, command, render
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World


def write_pairs(world: World, run_id: str, *indices: int) -> None:
    for index in indices:
        world.storage.work.write(RunPaths(run_id).pair(index, "before"), b"before %d" % index)
        world.storage.work.write(RunPaths(run_id).pair(index, "after"), b"after %d" % index)


def page(world: World, run_id: str) -> str:
    return world.storage.output.need(RunPaths(run_id).page).data.decode()


def output_names(world: World, run_id: str) -> set[str]:
    return {item.name.removeprefix(f"{run_id}/") for item in world.storage.output.list(f"{run_id}/")}


def test_finished_run_has_page_and_pictures() -> None:
    world = InMemoryCloud().world()
    run_id = world.start("clip", 6)
    write_pairs(world, run_id, *range(6))
    world.storage.work.write(RunPaths(run_id).pair_sheet, b"the sheet")
    assert world.finish(run_id) == "finished"
    assert output_names(world, run_id) == {
        "video.mp4", "report.json", "report.html", "before.jpg", "after.jpg", "sheet.jpg",
    }  # fmt: skip
    assert world.storage.output.need(RunPaths(run_id).picture("before")).data == b"before 3"
    assert world.storage.output.need(RunPaths(run_id).picture("sheet")).data == b"the sheet"
    assert page(world, run_id).count("data:image/jpeg;base64,") == 2 + 12


def test_run_of_an_older_node_image_has_a_page_without_pictures() -> None:
    world = InMemoryCloud().world()
    run_id = world.start("clip", 6)
    assert world.finish(run_id) == "finished"
    assert output_names(world, run_id) == {"video.mp4", "report.json", "report.html"}
    assert 'class="cmp"' not in page(world, run_id)


def test_refused_run_has_a_page_with_the_reason() -> None:
    world = InMemoryCloud().world()
    run_id = world.fire_trigger(world.upload_trigger("refused", b"not JSON"))
    assert "not JSON" in page(world, run_id)


def test_page_loads_nothing_and_escapes_names() -> None:
    name = "<script>alert(1)</script> & 'clip'"
    report = {"run_id": "clip-0123456789", "name": name, "status": "failed", "reason": name, "remedy": "x"}
    text = render(build_page(report, {0: (b"a", b"b")})).decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert re.findall(r"(?:src|href)=\"(?!data:)", text) == []
    assert not re.search(r"url\(|@import|https?://", text)


@pytest.mark.parametrize(
    "fields",
    [
        {"style": "wave.jpg"},
        {"style": "my wave.jpg", "strength": 0.8, "preserve_color": "luma", "video_only": True},
        {"style": "wave.jpg", "keep_frames": True, "video": "my clip.mp4", "source": "video"},
        {"style": "wave.jpg", "video": "my clip.mp4", "source": "frames"},
        {"style": "wave.jpg", "source": "frames"},
        {"style": {"a.jpg": 1.0, "b.jpg": 3.0}, "image_format": "png", "keep_location": True},
        {"scorer": "copy", "frames_per_batch": 96, "sound": "drop"},
    ],
)
def test_command_repeats_the_run(fields: dict[str, Any]) -> None:
    trigger = Trigger.model_validate(fields)
    argv = shlex.split(command(trigger, "my clip.mp4"))
    assert argv[:3] == ["impasto", "paint", "my clip.mp4"]
    styles = [value for flag, value in pairwise(argv) if flag == "-s"]
    options: dict[str, Any] = {}
    rest = iter(argv[3:])
    for flag in rest:
        if flag in ("--keep-frames", "--no-keep-frames", "--keep-location"):
            name = flag.removeprefix("--").removeprefix("no-").replace("-", "_")
            options[name] = not flag.startswith("--no-")
        elif flag == "-s":
            next(rest)
        else:
            name = {"--format": "image_format"}.get(flag, flag.removeprefix("--").replace("-", "_"))
            options[name] = next(rest)
    style_fields, _ = parse_styles(styles, None)
    assert build_trigger({**options, **style_fields, "video": trigger.video}).with_source == trigger.with_source


def test_sections_say_what_the_report_has() -> None:
    steadiness = {"difference": 3.0, "difference_input": 1.0, "warp_error": 5.0, "warp_error_input": 2.0}
    usd = {"tasks": 0.011, "idle_estimated": 0.017, "storage": 0.001, "functions": 0.001, "total": 0.03}
    bad = {"count": 1, "done": {"retried": 1}, "first": [{"index": 4, "what": "black", "done": "retried"}]}
    report = {
        "run_id": "clip-0123456789",
        "received_at": "2026-11-28T12:00:00+00:00",
        "ended_at": "2026-11-28T12:06:13+00:00",
        "clip": {"frames": 248, "seconds": 8.3, "width": 1920, "height": 1080, "audio_tracks": 1},
        "steadiness": steadiness,
        "cost": {"usd": usd},
        "notes": ["the subtitles were left out"],
        "bad_frames": bad,
    }
    facts = {section.title: dict(section.facts) for section in sections(report)}
    assert facts["Clip"]["Length"] == "8.3 s"
    assert facts["Time"]["From the request to the end"] == "6:13"
    assert facts["Cost"]["Total"] == "$0.03"
    assert facts["Notes"] == {
        "Note": "the subtitles were left out",
        "Bad frames": "1 retried",
        "Frame 5": "black, retried",
    }
    assert next(section.sentence for section in sections(report) if section.title == "Steadiness").startswith("Lively")


def test_empty_report_has_only_its_run() -> None:
    assert [section.title for section in sections({"run_id": "clip-0123456789"})] == ["Versions"]


@pytest.mark.parametrize(("seconds", "text"), [(8.34, "8.3 s"), (61, "1:01"), (3725, "1:02:05")])
def test_clock_text(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
