"""Folders and several styles: one upload per clip, parallel runs, skipping, resuming, index.html and runs.csv."""

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from frame_tools.cli.paintings import StyleOptions, build_paintings, style_mixes, unique_names
from frame_tools.client.connection import Connection
from frame_tools.client.gallery import render, table, write_gallery
from frame_tools.client.many import ManyPaintings, Outcome, find_videos, worst_error
from frame_tools.client.painting import Painting
from frame_tools.client.progress import QuietDisplay
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.trigger import Trigger
from tests.support.clips import Clip, make_clip
from tests.support.in_process_app import connection


def paintings_of(folder: Path, count: int, **options: Any) -> list[Painting]:
    source = folder / "clips"
    if not source.is_dir():
        source.mkdir()
        first = make_clip(source / "clip-00.mp4", Clip(frames=2, size=(64, 48)))
        for number in range(1, count):
            (source / f"clip-{number:02d}.mp4").write_bytes(first.read_bytes())
    fields = {"scorer": "copy", "frames_per_batch": "2"} | options
    return build_paintings([source], [StyleOptions()], fields, folder=folder / "painted")


def paint(paintings: list[Painting], cloud: Connection, folder: Path) -> list[Outcome]:
    many = ManyPaintings(
        paintings,
        cloud,
        folder=folder / "painted",
        scratch=folder / "scratch",
        display=QuietDisplay(),
        sleep=lambda _seconds: None,
    )
    return many.run()


def test_fifty_clips_are_painted_and_then_skipped(tmp_path: Path) -> None:
    cloud, paintings = connection(), paintings_of(tmp_path, 50, label="spring")
    outcomes = paint(paintings, cloud, tmp_path)
    assert Counter(outcome.status for outcome in outcomes) == {"finished": 50}
    assert all(painting.out.stat().st_size > 0 for painting in paintings)
    assert {outcome.fields["frames"] for outcome in outcomes} == {2}
    assert not list((tmp_path / "scratch").iterdir()), "split frames are removed"
    triggers = len(list(cloud.world.storage.triggers.list("")))
    again = paint(paintings_of(tmp_path, 50, label="summer"), cloud, tmp_path)
    assert Counter(outcome.status for outcome in again) == {"skipped": 50}
    assert len(list(cloud.world.storage.triggers.list(""))) == triggers == 50


def test_other_options_paint_again(tmp_path: Path) -> None:
    cloud = connection()
    paint(paintings_of(tmp_path, 2), cloud, tmp_path)
    assert {each.status for each in paint(paintings_of(tmp_path, 2, seed="7"), cloud, tmp_path)} == {"finished"}
    (tmp_path / "painted" / "clip-00_copy.mp4").unlink()
    statuses = [each.status for each in paint(paintings_of(tmp_path, 2, seed="7"), cloud, tmp_path)]
    assert statuses == ["finished", "skipped"], "a deleted output is painted again"


def test_started_run_is_resumed(tmp_path: Path) -> None:
    cloud, paintings = connection(), paintings_of(tmp_path, 1)
    (first,) = paint(paintings, cloud, tmp_path)
    journal = tmp_path / "painted" / ".impasto.json"
    journal.write_text(journal.read_text().replace('"status": "finished"', '"status": "started"'))
    (resumed,) = paint(paintings, cloud, tmp_path)
    assert (resumed.status, resumed.run_id) == ("finished", first.run_id)


def test_damaged_clip_fails_alone(tmp_path: Path) -> None:
    paintings = paintings_of(tmp_path, 3)
    paintings[1].video.write_bytes(b"not a video")
    outcomes = paint(paintings, connection(), tmp_path)
    assert [outcome.status for outcome in outcomes] == ["finished", "failed", "finished"]
    error = worst_error(outcomes)
    assert error is not None
    assert paintings[1].out.name in error.what
    assert worst_error(outcomes[::2]) is None
    page = write_gallery(tmp_path / "painted", outcomes, title="spring")
    text = page.read_text()
    assert text.count("<video ") == 2
    rows = list(csv.DictReader(io.StringIO((tmp_path / "painted" / "runs.csv").read_text())))
    assert [row["status"] for row in rows] == ["finished", "failed", "finished"]


def test_defect_of_the_program_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any, **_options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("frame_tools.client.many.prepare_input", broken)
    with pytest.raises(ZeroDivisionError):
        paint(paintings_of(tmp_path, 2), connection(), tmp_path)


def test_every_clip_is_uploaded_once_for_all_styles(tmp_path: Path) -> None:
    cloud = connection()
    clip = make_clip(tmp_path / "clip.mp4", Clip(frames=2, size=(64, 48)))
    styles = [tmp_path / "wave.png", tmp_path / "night.png"]
    for style in styles:
        style.write_bytes(b"a painting")
    mixes = style_mixes(StyleOptions(style=[str(style) for style in styles]))
    options = {"scorer": "copy", "frames_per_batch": "2"}
    paintings = build_paintings([clip], mixes, options, folder=tmp_path / "painted")
    assert [painting.out.name for painting in paintings] == ["clip_by_wave.mp4", "clip_by_night.mp4"]
    outcomes = paint(paintings, cloud, tmp_path)
    assert {outcome.status for outcome in outcomes} == {"finished"}
    assert {item.name.partition("/")[0] for item in cloud.world.storage.input.list("")} == {"clip"}
    assert {item.name for item in cloud.world.storage.triggers.list("")} == {"clip by_wave.json", "clip by_night.json"}


@pytest.mark.parametrize(
    ("styles", "expected"),
    [
        (None, [None]),
        (["a.jpg"], [["a.jpg"]]),
        (["a.jpg", "b.jpg"], [["a.jpg"], ["b.jpg"]]),
        (["a.jpg", "a.jpg"], [["a.jpg"]]),
        (["a.jpg=2", "b.jpg=1"], [["a.jpg=2", "b.jpg=1"]]),
    ],
)
def test_styles_without_weights_are_several_paintings(styles: list[str] | None, expected: list[Any]) -> None:
    assert [mix.style for mix in style_mixes(StyleOptions(style=styles))] == expected


def test_styles_over_time_are_one_painting() -> None:
    styles = StyleOptions(style=["a.jpg", "b.jpg"], key_style=["4=c.jpg"])
    assert style_mixes(styles) == [styles]


def test_videos_of_a_folder_are_found_by_suffix(tmp_path: Path) -> None:
    for name in ("b.MP4", "a.mov", "notes.txt", "c.jpg"):
        (tmp_path / name).touch()
    assert [video.name for video in find_videos([tmp_path, tmp_path / "a.mov"])] == ["a.mov", "b.MP4"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty"):
        find_videos([tmp_path / "empty"])
    with pytest.raises(MissingError, match="nowhere"):
        find_videos([tmp_path / "nowhere.mp4"])


def test_equal_stems_get_different_names() -> None:
    names = unique_names([Path("a/clip.mp4"), Path("a/clip.mov"), Path("a/other.mp4")])
    assert list(names.values()) == ["clip.mp4", "clip.mov", "other"]


@pytest.mark.parametrize(("folder", "name"), [("out.mp4", None), ("painted", "mine")])
def test_options_of_single_paintings_are_rejected(tmp_path: Path, folder: str, name: str | None) -> None:
    clip = make_clip(tmp_path / "clip.mp4", Clip(frames=2))
    with pytest.raises(InputError):
        build_paintings([clip], [StyleOptions()], {"scorer": "copy"}, folder=tmp_path / folder, name=name)


def test_foreign_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", Clip(frames=2))
    (tmp_path / "painted").mkdir()
    (tmp_path / "painted" / "clip_copy.mp4").write_bytes(b"precious")
    arguments: tuple[Any, ...] = ([clip], [StyleOptions()], {"scorer": "copy"})
    with pytest.raises(InputError, match="--overwrite"):
        build_paintings(*arguments, folder=tmp_path / "painted")
    assert len(build_paintings(*arguments, folder=tmp_path / "painted", overwrite=True)) == 1


def test_gallery_escapes_names() -> None:
    out = Path("painted") / "<b> & clip.mp4"
    painting = Painting(
        video=Path("<b> & clip.mp4"), out=out, trigger=Trigger(scorer="copy"), extras={}, folder="c", name="c"
    )
    outcome = Outcome(painting=painting, digest="", status="finished", run_id="c-0123456789")
    text = render([outcome], title="<b>").decode()
    assert "<b>" not in text
    assert "&lt;b&gt; &amp; clip.mp4" in text
    assert 'src="%3Cb%3E%20%26%20clip.mp4"' in text
    assert "c-0123456789" in table([outcome])
