"""`paint` from the command line, against an app in this process: one video, and many."""

import json
from pathlib import Path

import pytest

from frame_tools.cli.paintings import StyleOptions, build_painting, stroke_note
from frame_tools.contracts.errors import ExitCode
from tests.support.cli import run
from tests.support.clips import Clip, make_clip
from tests.support.in_process_app import InProcessConnection, connection
from tests.support.style_files import jpeg_painting

OPTIONS = ("--scorer", "copy", "--frames-per-batch", 2)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> InProcessConnection:
    app = connection()
    monkeypatch.setattr("frame_tools.cli.paint.connect", lambda _api, _key: app)
    monkeypatch.setattr("frame_tools.client.many.POLL_SECONDS", 0)
    monkeypatch.setattr("frame_tools.client.polling.poll_pause", lambda _elapsed: 0)
    return app


def clips(count: int) -> Path:
    folder = Path("clips")
    folder.mkdir()
    for number in range(count):
        make_clip(folder / f"clip-{number}.mp4", Clip(frames=2, size=(64, 48)))
    return folder


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("command", ["paint", "restyle"])
def test_one_video_prints_its_output(command: str) -> None:
    video = clips(1) / "clip-0.mp4"
    result = run(command, video, *OPTIONS)
    assert (result.exit_code, result.stdout) == (ExitCode.OK, f"{video.with_name('clip-0_copy.mp4')}\n")
    started, finished = result.stderr.splitlines()
    assert "impasto watch clip-0-" in started
    assert "impasto open clip-0-" in finished
    assert "2 frames" in finished
    again = run(command, video, *OPTIONS)
    assert (again.exit_code, "--overwrite" in again.stderr) == (ExitCode.INPUT, True)
    assert run(command, video, *OPTIONS, "-y").exit_code == ExitCode.OK


@pytest.mark.usefixtures("cloud")
def test_programs_read_events() -> None:
    result = run("paint", clips(1) / "clip-0.mp4", *OPTIONS, "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["event"] for each in events if each["event"] != "progress"] == ["started", "finished"]
    assert events[-1]["frames"] == 2
    assert Path(events[-1]["out"]).is_file()


@pytest.mark.usefixtures("cloud")
def test_quiet_prints_the_output_only() -> None:
    result = run("paint", clips(1) / "clip-0.mp4", *OPTIONS, "-q", "-o", "out.mp4")
    assert (result.stdout, result.stderr) == ("out.mp4\n", "")


def test_folder_is_painted_into_a_folder(cloud: InProcessConnection) -> None:
    folder = clips(3)
    result = run("paint", folder, *OPTIONS, "--label", "spring", "-o", "new/painted")
    assert (result.exit_code, result.stdout) == (ExitCode.OK, "new/painted/index.html\n")
    assert "3 paintings of 3 videos (watch: impasto watch --label spring" in result.stderr.splitlines()[0]
    names = {path.name for path in Path("new/painted").iterdir()}
    outputs = [f"clip-{number}_copy{end}" for number in range(3) for end in (".mp4", "_report")]
    assert names == {".impasto.json", "index.html", "runs.csv", *outputs}
    assert (Path("new/painted") / "clip-1_copy_report" / "report.html").stat().st_size > 1000
    labels = {run.label for run in map(cloud.request, cloud.run_ids())}
    assert labels == {"spring"}


@pytest.mark.usefixtures("cloud")
def test_failed_painting_is_the_commands_error() -> None:
    folder = clips(2)
    (folder / "clip-1.mp4").write_bytes(b"not a video")
    result = run("paint", folder, *OPTIONS)
    assert (result.exit_code, result.stdout) == (ExitCode.INPUT, "")
    assert "clip-1_copy.mp4" in result.stderr.splitlines()[-1]
    assert Path("painted/clip-0_copy.mp4").is_file()


@pytest.mark.usefixtures("cloud")
def test_records_are_printed_under_their_own_name() -> None:
    result = run("paint", clips(1) / "clip-0.mp4", "--scorer", "describe", "-o", "looked.mp4")
    assert (result.exit_code, result.stdout) == (ExitCode.OK, "looked.jsonl\n")
    assert Path("looked.jsonl").is_file()


@pytest.mark.usefixtures("cloud")
def test_comparison_and_loop_are_written_beside_the_video() -> None:
    video = clips(1) / "clip-0.mp4"
    assert run("paint", video, *OPTIONS, "--compare", "side", "--gif").exit_code == ExitCode.OK
    assert sorted(path.name for path in video.parent.iterdir()) == [
        "clip-0.mp4",
        "clip-0_copy.gif",
        "clip-0_copy.mp4",
        "clip-0_copy_side.mp4",
    ]


def test_folder_gets_comparisons_and_loops(cloud: InProcessConnection) -> None:
    folder = clips(2)
    assert run("paint", folder, *OPTIONS, "--no-report").exit_code == ExitCode.OK
    assert not list(Path("painted").glob("*_report"))
    started = len(cloud.run_ids())
    assert run("paint", folder, *OPTIONS, "--compare", "wipe", "--webp").exit_code == ExitCode.OK
    names = {path.name for path in Path("painted").glob("clip-1*")}
    assert names == {"clip-1_copy.mp4", "clip-1_copy_wipe.mp4", "clip-1_copy.webp", "clip-1_copy_report"}
    assert len(cloud.run_ids()) == started, "the runs are finished: only their files were missing"


@pytest.mark.usefixtures("cloud")
def test_foreign_file_beside_the_outputs_is_kept() -> None:
    folder = clips(1)
    Path("painted").mkdir()
    Path("painted/clip-0_copy.gif").write_bytes(b"precious")
    result = run("paint", folder, *OPTIONS, "--gif")
    assert (result.exit_code, "clip-0_copy.gif" in result.stderr) == (ExitCode.INPUT, True)
    assert Path("painted/clip-0_copy.gif").read_bytes() == b"precious"


@pytest.mark.usefixtures("cloud")
def test_records_have_nothing_to_compare() -> None:
    result = run("paint", *clips(1).iterdir(), "--scorer", "describe", "--webp")
    assert (result.exit_code, "jsonl" in result.stderr) == (ExitCode.INPUT, True)


def test_cost_of_fine_strokes_is_told(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", Clip(frames=2, size=(640, 360)))
    style = tmp_path / "wave.jpg"
    style.write_bytes(jpeg_painting())
    notes = {
        strokes: stroke_note(build_painting(clip, None, StyleOptions(style=[str(style)]), {"strokes": strokes}))
        for strokes in ("fine", "medium", None)
    }
    assert "strokes fine take about 3" in str(notes["fine"])
    assert notes["medium"] == notes[None] == ""
