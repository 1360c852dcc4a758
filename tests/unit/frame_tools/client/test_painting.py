"""A painting is checked before any work; its result has a sensible name and a summary."""

from dataclasses import replace
from pathlib import Path

import pytest

from frame_tools.client import parquet
from frame_tools.client.api import ApiClient
from frame_tools.client.painting import Painting, default_output, summarize, with_cost
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.trigger import Trigger
from tests.support.prepared_server import prepared_server

RUN = "clip-0123456789"


@pytest.mark.parametrize(
    ("video", "fields", "name"),
    [
        ("holiday.mp4", {"style": "starry night.jpg"}, "holiday_by_starry night.mp4"),
        ("holiday.MOV", {"style": "wave.jpg"}, "holiday_by_wave.mov"),
        ("holiday.avi", {"style": "wave.jpg"}, "holiday_by_wave.mp4"),
        ("holiday.mp4", {"style": "wave.jpg", "container": "mkv"}, "holiday_by_wave.mkv"),
        ("holiday.mp4", {"style": {"a.jpg": 1, "b.jpg": 2}}, "holiday_by_a and b.mp4"),
        ("holiday.mp4", {"scorer": "copy"}, "holiday_copy.mp4"),
        ("holiday.mp4", {"scorer": "describe"}, "holiday_describe.jsonl"),
    ],
)
def test_default_output_is_beside_the_video(video: str, fields: dict[str, object], name: str) -> None:
    assert default_output(Path("clips") / video, Trigger.model_validate(fields)) == Path("clips") / name
    assert default_output(Path("clips") / video, Trigger.model_validate(fields), Path("out")) == Path("out") / name


def painting(video: Path, *, name: str = "clip") -> Painting:
    return Painting(
        video=video,
        out=video.with_name("o.mp4"),
        trigger=Trigger(scorer="copy"),
        extras={},
        folder="clip",
        name=name,
    )


def test_video_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        painting(tmp_path).checked()
    with pytest.raises(MissingError, match="nowhere"):
        painting(tmp_path / "nowhere.mp4").checked()
    (tmp_path / "clip.mp4").touch()
    assert painting(tmp_path / "clip.mp4").checked().trigger.container == "mp4"
    with pytest.raises(InputError, match="run's name"):
        painting(tmp_path / "clip.mp4", name="a/b").checked()


def test_paintings_of_one_upload_name_its_folder(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    assert painting(tmp_path / "clip.mp4", name="clip by wave").checked().trigger.input == "clip"
    assert painting(tmp_path / "clip.mp4").checked().trigger.input is None


def test_summary_has_frames_time_size_and_cost(tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    out.write_bytes(bytes(2_700_000))
    status = {"frames": 248, "cost": {"usd": {"total": 0.031}}}
    summary = summarize(RUN, out, status, seconds=88)
    assert (summary.frames, summary.seconds, summary.size, summary.usd) == (248, 88, 2_700_000, 0.031)
    for part in ("248 frames", "1:28", str(out), "2.7 MB", "$0.03"):
        assert part in summary.text
    assert f"impasto open {RUN}" in summary.next_command
    assert summary.fields()["out"] == str(out)
    assert "$" not in summarize(RUN, out, {"frames": 1, "cost": {"usd": None}}, seconds=1).text


def test_cost_is_waited_for() -> None:
    ended = {"run_id": RUN, "status": "finished", "cost": None}
    with prepared_server((200, ended), (200, ended | {"cost": {"usd": None}})) as server:
        status = with_cost(ApiClient(url=server.url), RUN, dict(ended), sleep=lambda _seconds: None)
    assert status["cost"] == {"usd": None}
    assert len(server.requests) == 2


def test_program_may_be_asked_for_records(tmp_path: Path) -> None:
    """Only the run's plan says what a program makes; the suffix of the output says what is expected."""
    (tmp_path / "clip.mp4").touch()
    program = Trigger(scorer="script", program="seg")
    for name in ("o.csv", "o.jsonl", "o.parquet"):
        asked = replace(painting(tmp_path / "clip.mp4"), trigger=program, out=tmp_path / name).checked()
        assert asked.trigger.container == "auto"
    assert replace(painting(tmp_path / "clip.mp4"), trigger=program).checked().trigger.container == "mp4"
    (tmp_path / "o.parquet").touch()
    with pytest.raises(InputError, match=r"o\.parquet exists"):
        replace(painting(tmp_path / "clip.mp4"), trigger=program, out=tmp_path / "o.csv", records="parquet").checked()


def test_missing_package_for_records_is_named_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clip.mp4").touch()
    monkeypatch.setattr(parquet, "find_spec", lambda _name: None)
    described = replace(painting(tmp_path / "clip.mp4"), trigger=Trigger(scorer="describe"), records="parquet")
    with pytest.raises(InputError, match="duckdb"):
        described.checked()
