"""Commands against storage in Azurite: upload, trigger, watch, download and SAS URLs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.trigger import parse_trigger
from frame_tools.storage.accounts import DATA, OPS, account_from
from frame_tools.storage.deployment import Storage
from frame_tools.storage.queues import QueueAccount
from local_cloud.accounts import DATA_KEY, OPS_KEY
from local_cloud.cloud import PROJECT, Cloud
from tests.support.cli import RUN, one_line, run, run_failing
from tests.support.clips import Clip, Tone, make_clip

FRAMES = 7


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", Clip(frames=FRAMES, audio=(Tone(seconds=0.2),)))


@pytest.fixture
def folder(clip: Path, tmp_path: Path) -> Path:
    """The clip, split by the command."""
    assert run("split", clip, tmp_path / "split").exit_code == ExitCode.OK
    return tmp_path / "split"


def image(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (20, 16), "orange").save(path)
    return path


def test_process_exits_with_code_and_one_line(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "frame_tools", "split", "nowhere.mp4", str(tmp_path / "split")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == ExitCode.MISSING
    assert "nowhere.mp4" in one_line(result.stderr, result.stdout)


def test_upload_and_trigger_start_a_run(storage: Storage, folder: Path) -> None:
    first = run("upload", folder, "--name", "by hand")
    assert first.stdout == f"{FRAMES + 2} files in input/by hand/, {FRAMES + 2} uploaded now\n"
    again = run("upload", folder, "--name", "by hand", "--start", "--scorer", "copy")
    counted, started = again.stdout.splitlines()
    assert (again.exit_code, again.stderr) == (ExitCode.OK, "")
    assert counted == f"{FRAMES + 2} files in input/by hand/, 0 uploaded now"
    assert started == f"run {ids.run_id_for('by hand.json', storage.triggers.need('by hand.json').etag)}"
    third = run("trigger", "by hand", "--scorer", "copy", "--frames-per-batch", 3)
    blob = storage.triggers.need("by hand.json")
    assert third.stdout == f"{ids.run_id_for('by hand.json', blob.etag)}\n"
    assert json.loads(blob.data)["frames_per_batch"] == 3


def test_upload_validates_before_sending(storage: Storage, folder: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.jpg"
    assert "manifest.json" in run_failing(ExitCode.MISSING, "upload", tmp_path, "--name", "checked")
    assert "nowhere.jpg" in run_failing(ExitCode.MISSING, "upload", folder, "--name", "checked", "--style", nowhere)
    assert "'/'" in run_failing(ExitCode.INPUT, "upload", folder, "--name", "checked/../other")
    assert "style" in run_failing(ExitCode.INPUT, "upload", folder, "--name", "checked", "--start")
    assert list(storage.input.list("checked")) == []
    assert not storage.triggers.exists("checked.json")


@pytest.mark.parametrize(
    ("options", "named"),
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
def test_invalid_trigger_is_named_and_not_written(storage: Storage, options: list[str], named: str) -> None:
    assert named in run_failing(ExitCode.INPUT, "trigger", *options)
    assert not any(item.name.endswith("bad.json") for item in storage.triggers.list(""))


def put_report(storage: Storage, number: int, **fields: object) -> str:
    run_id = f"clip-{number:010x}"
    storage.output.write(RunPaths(run_id).report, json.dumps({"run_id": run_id, **fields}).encode())
    return run_id


def test_watch_and_download_finished_run(storage: Storage, tmp_path: Path) -> None:
    run_id = put_report(storage, 1, status="finished", video=RunPaths("clip-0000000001").video("mp4"))
    storage.output.write(RunPaths(run_id).video("mp4"), b"the video")
    watched = run("watch", run_id)
    assert (watched.exit_code, watched.stdout) == (ExitCode.OK, f"finished: {run_id}/video.mp4\n")
    fetched = run("download", run_id, tmp_path / "out.mp4")
    assert (fetched.exit_code, fetched.stdout, fetched.stderr) == (ExitCode.OK, f"{tmp_path / 'out.mp4'}\n", "")
    assert (tmp_path / "out.mp4").read_bytes() == b"the video"


def test_watch_and_download_report_failure(storage: Storage, tmp_path: Path) -> None:
    reason = {"reason": "Batch 1 failed: The frame 000003.jpg is damaged", "remedy": "Upload it again."}
    run_id = put_report(storage, 2, status="failed", video=None, **reason)
    result = run("watch", run_id)
    assert (result.exit_code, result.stdout) == (ExitCode.INPUT, "")
    assert result.stderr.splitlines()[-1] == f"The run {run_id} ended as failed: {reason['reason']}. Upload it again."
    assert run_id in run_failing(ExitCode.MISSING, "download", run_id, tmp_path / "out.mp4")
    assert RUN in run_failing(ExitCode.MISSING, "download", RUN, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_watch_has_a_time_limit(storage: Storage) -> None:
    result = run("watch", RUN, "--minutes", 0)
    assert result.exit_code == ExitCode.TEMPORARY
    assert RUN in result.stderr.splitlines()[-1]


def test_rejected_storage_key_is_reported_without_the_key(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", os.environ["DATA"].replace(DATA_KEY, OPS_KEY))
    error = run_failing(ExitCode.INPUT, "download", RUN)
    assert "access denied" in error
    assert OPS_KEY not in error


def test_missing_container_is_a_temporary_error(
    clean_environment: None, emulators: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ops account has no container `triggers`."""
    monkeypatch.setenv("DATA", emulators.settings["OPS"])
    assert "Storage error" in run_failing(ExitCode.TEMPORARY, "trigger", "clip", "--scorer", "copy")


def test_sas_settings_are_sufficient_for_a_guest(
    storage: Storage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run("sas", "--hours", 1)
    assert (result.exit_code, result.stderr) == (ExitCode.OK, "")
    settings = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert sorted(settings) == ["IMPASTO_INPUT_URL", "IMPASTO_OUTPUT_URL", "IMPASTO_TRIGGERS_URL"]
    for setting in (DATA, OPS):
        monkeypatch.delenv(setting)
    for setting, url in settings.items():
        monkeypatch.setenv(setting, url.strip("'"))
    uploaded = run("upload", folder, "--name", "a guest", "--start", "--scorer", "copy")
    assert uploaded.exit_code == ExitCode.OK, uploaded.output
    assert storage.triggers.exists("a guest.json")
    monkeypatch.delenv("IMPASTO_OUTPUT_URL")
    assert "IMPASTO_OUTPUT_URL" in run_failing(ExitCode.INPUT, "download", RUN)


@pytest.mark.parametrize("hours", [0, -1, 169])
def test_sas_rejects_invalid_lifetime(storage: Storage, hours: int) -> None:
    assert str(hours) in run_failing(ExitCode.INPUT, "sas", "--hours", hours)


def test_upload_sends_styles_and_masks(storage: Storage, folder: Path, tmp_path: Path) -> None:
    styles = [image(tmp_path / "a" / "sea.png"), image(tmp_path / "b" / "bay.jpg")]
    masks = [image(tmp_path / "my masks" / f"00000{number}.png") for number in (1, 2)]
    options = ["--style", f"{styles[0]}=0.5", "--key-style", f"0.04={styles[1]}", "--mask", masks[0].parent]
    result = run("upload", folder, "--name", "several", "--start", *options)
    assert (result.exit_code, result.stderr) == (ExitCode.OK, "")
    stored = {item.name for item in storage.input.list("several/")} - {"several/manifest.json", "several/audio.mp4"}
    expected = {"sea.png", "bay.jpg", "my masks/000001.png", "my masks/000002.png"}
    assert {name.removeprefix("several/") for name in stored if "/frames/" not in name} == expected
    trigger = parse_trigger(storage.triggers.need("several.json").data)
    assert (trigger.style, trigger.mask) == ({"sea.png": 0.5}, "my masks")
    assert [(key.at, key.style) for key in trigger.key_styles] == [(0.04, "bay.jpg")]


def test_upload_of_a_video_sends_styles_and_mask(storage: Storage, clip: Path, tmp_path: Path) -> None:
    mask = make_clip(tmp_path / "mask.mp4", Clip(frames=2))
    sea = image(tmp_path / "sea.png")
    assert run("upload", clip, "--name", "whole", "--start", "--style", sea, "--mask", mask).exit_code == ExitCode.OK
    assert {item.name for item in storage.input.list("whole/")} == {
        f"whole/{n}" for n in ("clip.mp4", "mask.mp4", "sea.png")
    }
    trigger = parse_trigger(storage.triggers.need("whole.json").data)
    assert (trigger.video, trigger.style, trigger.mask) == ("clip.mp4", "sea.png", "mask.mp4")


def test_invalid_style_or_mask_is_rejected_before_sending(storage: Storage, folder: Path, tmp_path: Path) -> None:
    first, second = image(tmp_path / "a" / "sea.png"), image(tmp_path / "b" / "sea.png")
    frames = image(tmp_path / "frames" / "000001.png").parent
    clip = make_clip(tmp_path / "manifest.json.mp4", Clip(frames=2)).rename(tmp_path / "manifest.json")
    cases: list[tuple[ExitCode, list[str | Path], str]] = [
        (ExitCode.INPUT, ["--style", first, "--key-style", f"1={second}"], "'sea.png'"),
        (ExitCode.INPUT, ["--mask", frames], "'frames'"),
        (ExitCode.INPUT, ["--mask", clip], "'manifest.json'"),
        (ExitCode.MISSING, ["--mask", tmp_path / "nowhere"], "nowhere"),
        (ExitCode.MISSING, ["--key-style", f"1={tmp_path / 'nowhere.jpg'}"], "nowhere.jpg"),
    ]
    for code, options, named in cases:
        assert named in run_failing(code, "upload", folder, "--name", "nothing", *options)
    assert list(storage.input.list("nothing/")) == []


def put_records(storage: Storage) -> str:
    run_id = "look-0123456789"
    storage.output.write(RunPaths(run_id).records, b'{"frame": 0}\n')
    report = {"run_id": run_id, "status": "finished", "records": RunPaths(run_id).records}
    storage.output.write(RunPaths(run_id).report, json.dumps(report).encode())
    return run_id


@pytest.mark.parametrize(
    ("out", "written"),
    [
        ("out.jsonl", "out.jsonl"),
        ("out.txt", "out.txt"),
        ("out.mp4", "out.jsonl"),
        ("o.MKV", "o.jsonl"),
        ("plain", "plain"),
    ],
)
def test_records_never_get_the_suffix_of_a_video(storage: Storage, tmp_path: Path, out: str, written: str) -> None:
    result = run("download", put_records(storage), tmp_path / out)
    assert (result.exit_code, result.stdout) == (ExitCode.OK, f"{tmp_path / written}\n")
    assert [path.name for path in tmp_path.iterdir()] == [written]
    assert (tmp_path / written).read_bytes() == b'{"frame": 0}\n'


def test_records_are_written_into_a_folder(storage: Storage, tmp_path: Path) -> None:
    run_id = put_records(storage)
    assert run("watch", run_id).stdout == f"finished: {run_id}/records.jsonl\n"
    assert run("download", run_id, tmp_path).stdout == f"{tmp_path / run_id}.jsonl\n"


def test_poison_queues_are_created(storage: Storage, emulators: Cloud) -> None:
    data, ops = (QueueAccount(account_from(emulators.settings, setting)) for setting in (DATA, OPS))
    assert data.queue(paths.BLOB_TRIGGER_POISON).is_created()
    assert ops.queue(paths.FRAME_BATCHES_POISON).is_created()
    assert ops.queue(paths.FINISHED_BATCHES_POISON).is_created()
