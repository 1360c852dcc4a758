"""The command line as people meet it: what it prints, its exit codes by name, and errors as one line of words."""

import json
import os
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from frame_tools.cli.main import app
from frame_tools.contracts import ids
from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.accounts import DATA, OPS
from frame_tools.storage.deployment import Storage
from local_cloud.accounts import DATA_KEY, OPS_KEY
from local_cloud.cloud import PROJECT, Cloud
from tests.commands.console import RUN, one_line, refused, run
from tests.support.clips import Clip, Tone, make_clip, read_number

pytestmark = pytest.mark.usefixtures("no_settings")

FRAMES = 7
RATE = Fraction(30000, 1001)
COMMANDS = (
    "split",
    "join",
    "upload",
    "trigger",
    "watch",
    "download",
    "resubmit",
    "restyle",
    "estimate",
    "sas",
    "make-containers",
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip(frames=FRAMES, rate=RATE, audio=(Tone(seconds=0.2),))
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", clip)


@pytest.fixture
def folder(clip: Path, tmp_path: Path) -> Path:
    """The clip, split by the command."""
    assert run("split", clip, tmp_path / "split").exit_code == ExitCode.OK
    return tmp_path / "split"


def times_and_numbers(video: Path) -> list[tuple[Fraction, int]]:
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        return [(frame.pts * stream.time_base, read_number(frame.to_image())) for frame in container.decode(stream)]


# Help.


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_a_command_line_that_can_be_typed(command: str) -> None:
    answer = run(command, "--help")
    assert answer.exit_code == ExitCode.OK
    if command != "make-containers":
        assert f"python -m frame_tools {command}" in " ".join(answer.output.split())


def test_all_commands_are_tried_here() -> None:
    assert {command.name or command.callback.__name__ for command in app.registered_commands} == set(COMMANDS)


def test_an_option_that_is_none_is_a_mistake_of_usage() -> None:
    answer = run("split", "a.mp4", "b", "--quality", "9")
    assert answer.exit_code == ExitCode.USAGE
    assert "--quality" in answer.stderr


# Split and join.


def test_split_and_join_give_the_video_back(clip: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.mp4"
    answer = run("join", folder, out)
    assert (answer.exit_code, answer.stderr) == (ExitCode.OK, "")
    assert answer.stdout == f"7 frames, 0.234 s, 1 audio tracks in {out}\n"
    original = times_and_numbers(clip)
    assert [number for _, number in original] == list(range(FRAMES))
    assert times_and_numbers(out) == original
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 1


def test_split_says_what_it_made(clip: Path, tmp_path: Path) -> None:
    answer = run("split", clip, tmp_path / "png", "--format", "png")
    assert (answer.exit_code, answer.stderr) == (ExitCode.OK, "")
    assert answer.stdout == f"7 frames, 1 audio tracks in {tmp_path / 'png'}\n"
    assert len(list((tmp_path / "png" / "frames").glob("*.png"))) == FRAMES


def test_the_program_itself_ends_with_code_and_words(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "frame_tools", "split", "nowhere.mp4", str(tmp_path / "split")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == ExitCode.MISSING
    assert "nowhere.mp4" in one_line(answer.stderr, answer.stdout)


def test_split_refuses_what_is_no_video(clip: Path, tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear Theo")
    assert "letter.mp4" in refused(ExitCode.INPUT, "split", letter, tmp_path / "split")
    assert "nowhere.mp4" in refused(ExitCode.MISSING, "split", tmp_path / "nowhere.mp4", tmp_path / "split")
    assert "'jpg' or 'png'" in refused(ExitCode.INPUT, "split", clip, tmp_path / "split", "--format", "gif")
    assert not list(tmp_path.rglob("manifest.json"))


def test_split_leaves_files_of_others_alone(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "frames").mkdir(parents=True)
    (tmp_path / "mine" / "frames" / "grandmother.jpg").write_bytes(b"dear")
    assert "grandmother.jpg" in refused(ExitCode.INPUT, "split", clip, tmp_path / "mine")
    assert (tmp_path / "mine" / "frames" / "grandmother.jpg").read_bytes() == b"dear"


def test_join_names_what_is_wrong_with_a_folder(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    assert "python -m frame_tools split" in refused(ExitCode.MISSING, "join", tmp_path, out)
    assert "'exact' or 'pad'" in refused(ExitCode.INPUT, "join", folder, out, "--even", "round")
    frame = folder / "frames" / "000003.jpg"
    whole = frame.read_bytes()
    Image.new("RGB", (10, 10)).save(frame)
    assert "000003.jpg is 10x10, not 64x48" in refused(ExitCode.INPUT, "join", folder, out)
    frame.write_bytes(whole[:100])
    assert "picture" in refused(ExitCode.INPUT, "join", folder, out)
    frame.unlink()
    assert "000003.jpg" in refused(ExitCode.MISSING, "join", folder, out)
    frame.write_bytes(whole)
    make_clip(folder / "audio.mp4")
    assert "audio file has 0 tracks; the manifest names 1" in refused(ExitCode.DAMAGED, "join", folder, out)
    (folder / "audio.mp4").write_bytes(b"no sound at all")
    assert "Split the video again" in refused(ExitCode.DAMAGED, "join", folder, out)
    (folder / "manifest.json").write_text("{}")
    assert "manifest" in refused(ExitCode.INPUT, "join", folder, out)
    assert [path.name for path in tmp_path.iterdir()] == ["split"], "nothing is left half made"


# With storage.


def test_upload_and_trigger_start_a_run(storage: Storage, folder: Path) -> None:
    first = run("upload", folder, "--name", "by hand")
    assert first.stdout == f"{FRAMES + 2} files in input/by hand/, {FRAMES + 2} of them sent now\n"
    again = run("upload", folder, "--name", "by hand", "--start", "--scorer", "copy")
    counted, started = again.stdout.splitlines()
    assert (again.exit_code, again.stderr) == (ExitCode.OK, "")
    assert counted == f"{FRAMES + 2} files in input/by hand/, 0 of them sent now"
    assert started == f"run {ids.run_id_for('by hand.json', storage.triggers.need('by hand.json').etag)}"
    third = run("trigger", "by hand", "--scorer", "copy", "--frames-per-batch", 3)
    blob = storage.triggers.need("by hand.json")
    assert third.stdout == f"{ids.run_id_for('by hand.json', blob.etag)}\n"
    assert json.loads(blob.data)["frames_per_batch"] == 3


def test_upload_checks_all_it_can_before_it_sends(storage: Storage, folder: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.jpg"
    assert "manifest.json" in refused(ExitCode.MISSING, "upload", tmp_path, "--name", "checked")
    assert "nowhere.jpg" in refused(ExitCode.MISSING, "upload", folder, "--name", "checked", "--style", nowhere)
    assert "'/'" in refused(ExitCode.INPUT, "upload", folder, "--name", "checked/../other")
    assert "style" in refused(ExitCode.INPUT, "upload", folder, "--name", "checked", "--start")
    assert list(storage.input.list("checked")) == []
    assert not storage.triggers.exists("checked.json")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["bad"], "style"),
        (["bad", "--scorer", "oil"], "oil"),
        (["bad", "--scorer", "copy", "--strength", "1.5"], "strength"),
        (["bad", "--scorer", "copy", "--frames-per-batch", "0"], "frames_per_batch"),
        (["bad", "--scorer", "copy", "--rate", "1e999999999"], "rate"),
        (["bad", "--scorer", "copy", "--video", "../clip.mp4"], "video"),
        (["../bad", "--scorer", "copy"], "run's name"),
    ],
)
def test_a_bad_trigger_is_refused_in_words_and_not_put(storage: Storage, options: list[str], word: str) -> None:
    assert word in refused(ExitCode.INPUT, "trigger", *options)
    assert not any(item.name.endswith("bad.json") for item in storage.triggers.list(""))


def put_report(storage: Storage, number: int, **words: object) -> str:
    run_id = f"clip-{number:010x}"
    storage.output.write(RunPaths(run_id).report, json.dumps({"run_id": run_id, **words}).encode())
    return run_id


def test_watch_and_download_a_finished_run(storage: Storage, tmp_path: Path) -> None:
    run_id = put_report(storage, 1, status="finished", video=RunPaths("clip-0000000001").video("mp4"))
    storage.output.write(RunPaths(run_id).video("mp4"), b"the video")
    watched = run("watch", run_id)
    assert (watched.exit_code, watched.stdout) == (ExitCode.OK, f"finished: {run_id}/video.mp4\n")
    fetched = run("download", run_id, tmp_path / "out.mp4")
    assert (fetched.exit_code, fetched.stdout, fetched.stderr) == (ExitCode.OK, f"{tmp_path / 'out.mp4'}\n", "")
    assert (tmp_path / "out.mp4").read_bytes() == b"the video"


def test_watch_and_download_tell_how_a_run_failed(storage: Storage, tmp_path: Path) -> None:
    reason = {"reason": "Batch 1 failed: The frame 000003.jpg is damaged", "remedy": "Upload it again."}
    run_id = put_report(storage, 2, status="failed", video=None, **reason)
    answer = run("watch", run_id)
    assert (answer.exit_code, answer.stdout) == (ExitCode.INPUT, "")
    assert answer.stderr.splitlines()[-1] == f"The run {run_id} ended as failed: {reason['reason']}. Upload it again."
    assert run_id in refused(ExitCode.MISSING, "download", run_id, tmp_path / "out.mp4")
    assert "no report" in refused(ExitCode.MISSING, "download", RUN, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_watch_ends_though_no_report_comes(storage: Storage) -> None:
    answer = run("watch", RUN, "--minutes", 0)
    assert answer.exit_code == ExitCode.TEMPORARY
    assert f"no report of {RUN}" in answer.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["watch", "download"])
def test_what_is_no_run_id_is_refused(storage: Storage, command: str) -> None:
    assert "is not a run id" in refused(ExitCode.INPUT, command, "../secrets")


def test_an_app_out_of_reach_is_a_passing_trouble() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api"
    assert url in refused(ExitCode.TEMPORARY, "watch", RUN, "--api", url)


@pytest.mark.parametrize(
    "arguments", [["trigger", "clip", "--scorer", "copy"], ["watch", RUN], ["download", RUN], ["sas"]]
)
def test_without_settings_the_words_name_them(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(*arguments)
    assert (answer.exit_code, answer.stdout) == (ExitCode.INPUT, "")
    assert "Set DATA" in answer.stderr.splitlines()[-1]
    monkeypatch.setenv("DATA", "not a connection string")
    answer = run(*arguments)
    assert (answer.exit_code, answer.stdout) == (ExitCode.INPUT, "")
    assert "DATA is no storage connection string" in answer.stderr.splitlines()[-1]


def test_storage_that_refuses_the_key_is_told_in_words(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", os.environ["DATA"].replace(DATA_KEY, OPS_KEY))
    said = refused(ExitCode.INPUT, "download", RUN)
    assert "Storage refuses us" in said
    assert OPS_KEY not in said


def test_storage_without_the_container_is_told_in_words(emulators: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ops account has no container `triggers`."""
    monkeypatch.setenv("DATA", emulators.settings["OPS"])
    assert "Storage does not answer" in refused(ExitCode.TEMPORARY, "trigger", "clip", "--scorer", "copy")


def test_a_guest_needs_no_more_than_what_sas_prints(
    storage: Storage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = run("sas", "--hours", 1)
    assert (answer.exit_code, answer.stderr) == (ExitCode.OK, "")
    settings = dict(line.split("=", 1) for line in answer.stdout.splitlines())
    assert sorted(settings) == ["IMPASTO_INPUT_URL", "IMPASTO_OUTPUT_URL", "IMPASTO_TRIGGERS_URL"]
    for setting in (DATA, OPS):
        monkeypatch.delenv(setting)
    for setting, url in settings.items():
        monkeypatch.setenv(setting, url.strip("'"))
    uploaded = run("upload", folder, "--name", "a guest", "--start", "--scorer", "copy")
    assert uploaded.exit_code == ExitCode.OK, uploaded.output
    assert storage.triggers.exists("a guest.json")
    monkeypatch.delenv("IMPASTO_OUTPUT_URL")
    assert "IMPASTO_OUTPUT_URL is missing" in refused(ExitCode.INPUT, "download", RUN)


@pytest.mark.parametrize("hours", [0, -1, 169])
def test_sas_refuses_a_length_that_cannot_be(storage: Storage, hours: int) -> None:
    assert f"{hours} hours" in refused(ExitCode.INPUT, "sas", "--hours", hours)


def test_estimate_wants_a_video(clip: Path, tmp_path: Path) -> None:
    answer = run("estimate", clip, "--nodes", 2)
    assert (answer.exit_code, answer.stderr) == (ExitCode.OK, "")
    assert f"{FRAMES} frames" in answer.stdout
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear Theo")
    assert "letter.mp4" in refused(ExitCode.INPUT, "estimate", letter)
    assert "nowhere.mp4" in refused(ExitCode.MISSING, "estimate", tmp_path / "nowhere.mp4")
    assert "Standard_Abacus" in refused(ExitCode.INPUT, "estimate", clip, "--vm-size", "Standard_Abacus")
