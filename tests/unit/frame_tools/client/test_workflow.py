"""`follow_with_progress` prints each problem and note of a run once; outputs are checked before any work."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from rich.console import Console

from frame_tools.client.api import ApiClient
from frame_tools.client.download import fetch
from frame_tools.client.painting import Painting
from frame_tools.client.progress import QuietDisplay, progress_display
from frame_tools.client.workflow import follow_with_progress, join_folder, show_status
from frame_tools.contracts.choices import OddSize
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.trigger import Trigger
from frame_tools.media.segment import coded_size
from frame_tools.storage.deployment import DataStorage
from frame_tools.storage.in_memory import BlobStore, InMemoryContainer
from tests.support.clips import draw, read_number
from tests.support.image_kinds import encode_as

QUOTA = "AccountCoreQuotaReached: no cores left. Request more cores."
RETRY = "Batch 0 failed at [12:00] and may be tried again: KeyError: 'k'. Ask the operator to fix the script."


@dataclass(frozen=True)
class ScriptedApi(ApiClient):
    """An interface that returns these statuses in turn."""

    statuses: Iterator[Mapping[str, Any]] = field(kw_only=True)

    def status(self, run_id: str) -> dict[str, Any]:
        return {"run_id": run_id, "batches": {"planned": 1, "done": 0}, **next(self.statuses)}


def follow(*statuses: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the last status and the printed text."""
    out = io.StringIO()
    with progress_display(Console(file=out, width=40)) as display:
        last = follow_with_progress(ScriptedApi(url="", statuses=iter(statuses)), "clip-0123456789", display=display)
    return last, out.getvalue()


def test_each_problem_is_printed_once_and_unwrapped() -> None:
    scoring = {"status": "scoring", "trouble": [QUOTA]}
    both = {"status": "scoring", "trouble": [QUOTA, RETRY]}
    last, text = follow(scoring, scoring, both, {"status": "finished", "trouble": []})
    assert last["status"] == "finished"
    assert text.splitlines() == [QUOTA, RETRY]


def test_nothing_is_printed_without_problems() -> None:
    assert follow({"status": "scoring", "trouble": []}, {"status": "finished"})[1].strip() == ""


def test_tuning_is_a_stage_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, int, int | None]] = []
    monkeypatch.setattr(
        QuietDisplay, "show", lambda _, stage, done, total, **_figures: shown.append((stage, done, total))
    )
    progress = {"frames_done": 0, "frames": 6, "reason": "", "tuning": {"steps_done": 120, "steps": 600}}
    show_status(QuietDisplay(), {"status": "scoring", "progress": progress})
    show_status(QuietDisplay(), {"status": "scoring", "progress": progress | {"tuning": None}})
    assert shown == [("tuning", 120, 600), ("painting", 0, 6)]


def test_notes_are_printed_once_unless_they_are_known() -> None:
    status = {"status": "scoring", "notes": ["left out a", "left out b"], "trouble": []}
    out = io.StringIO()
    with progress_display(Console(file=out, width=40)) as display:
        api = ScriptedApi(url="", statuses=iter([status, status, status | {"status": "finished"}]))
        follow_with_progress(api, "clip-0123456789", display=display, known_notes=["left out a"])
    assert out.getvalue().splitlines() == ["Note: left out b."]


@pytest.mark.parametrize(
    ("out", "fields", "named"),
    [
        ("film.webm", {}, "film.webm"),
        ("film", {}, "film"),
        ("film.gif", {}, ".mp4, .mov, .mkv"),
        ("clip.mp4", {}, "is the input"),
        ("hard.mp4", {"overwrite": True}, "is the input"),
        ("symbolic.mp4", {"overwrite": True}, "is the input"),
        ("old.mp4", {}, "--overwrite"),
        ("film.mov", {"container": "mkv"}, "container"),
        ("old.mp4", {"scorer": "describe", "out_exists": "old.jsonl"}, "old.jsonl"),
    ],
)
def test_output_is_checked_before_any_work(tmp_path: Path, out: str, fields: dict[str, Any], named: str) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"the only copy")
    (tmp_path / "hard.mp4").hardlink_to(video)
    (tmp_path / "symbolic.mp4").symlink_to(video)
    for name in ("old.mp4", "old.jsonl"):
        (tmp_path / name).write_bytes(b"old")
    options = {"scorer": "copy"} | {name: value for name, value in fields.items() if name in ("scorer", "container")}
    painting = Painting(
        video=video,
        out=tmp_path / out,
        trigger=Trigger(**options),
        extras={},
        folder="clip",
        name="clip",
        overwrite=fields.get("overwrite", False),
    )
    with pytest.raises(InputError, match=re.escape(named)):
        painting.checked()
    assert video.read_bytes() == b"the only copy"


def test_download_rejects_name_of_another_container(tmp_path: Path) -> None:
    container = InMemoryContainer("output", BlobStore())
    container.write("clip-0123456789/video.mkv", b"the video")
    storage = DataStorage(input=container, triggers=container, output=container)
    for name in ("film.mp4", "film.webm"):
        with pytest.raises(InputError, match=name):
            fetch(storage, "clip-0123456789", "clip-0123456789/video.mkv", tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "film.MKV").write_bytes(b"old")
    with pytest.raises(InputError, match="--overwrite"):
        fetch(storage, "clip-0123456789", "clip-0123456789/video.mkv", tmp_path / "film.MKV")
    assert (tmp_path / "film.MKV").read_bytes() == b"old"


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".heic", ".avif"])
def test_folder_of_frames_of_other_kinds_is_joined(tmp_path: Path, suffix: str) -> None:
    manifest = Manifest.plain(3, Fraction(25), width=64, height=48, image_format="png", pattern=f"shot {{:d}}{suffix}")
    (tmp_path / "frames").mkdir()
    (tmp_path / "manifest.json").write_bytes(manifest.dumps())
    for number in range(3):
        (tmp_path / "frames" / manifest.frame_name(number)).write_bytes(encode_as(suffix, draw(number, (64, 48))))
    with progress_display(Console(file=io.StringIO())) as display:
        join_folder(tmp_path, tmp_path / "out.mp4", odd_size="exact", display=display)
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert [read_number(frame.to_image()) for frame in video.decode(video=0)] == [0, 1, 2]


@pytest.mark.parametrize("odd_size", ["pad", "exact"])
def test_folder_of_larger_frames_is_joined_at_their_size(tmp_path: Path, odd_size: OddSize) -> None:
    """Frames that a super-resolution has enlarged: three times the manifest's size, which is odd."""
    manifest = Manifest.plain(3, Fraction(25), width=33, height=21, image_format="png", pattern="{:d}.png")
    (tmp_path / "frames").mkdir()
    (tmp_path / "manifest.json").write_bytes(manifest.dumps())
    for number in range(3):
        (tmp_path / "frames" / manifest.frame_name(number)).write_bytes(encode_as(".png", draw(number, (99, 63))))
    with progress_display(Console(file=io.StringIO())) as display:
        join_folder(tmp_path, tmp_path / "out.mp4", odd_size=odd_size, display=display)
        with av.open(str(tmp_path / "out.mp4")) as video:
            sizes = {(frame.width, frame.height) for frame in video.decode(video=0)}
        assert sizes == {coded_size(99, 63, odd_size)}
        (tmp_path / "frames" / "2.png").write_bytes(encode_as(".png", draw(2, (66, 42))))
        with pytest.raises(InputError, match=r"2\.png is 66x42, not 99x63"):
            join_folder(tmp_path, tmp_path / "other.mp4", odd_size=odd_size, display=display)
