"""Tasks in the image: who they are, what they reach, and one whole run."""

import datetime as dt
import json
import shlex
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from azure.batch import BatchClient
from azure.batch import models as m
from azure.core.credentials import AzureNamedKeyCredential
from PIL import Image

from local_cloud.accounts import NODE_IMAGE, POOL_ID
from tests.node_image.conftest import ImageSystem
from tests.node_image.test_files import below
from tests.support.clips import Clip, Tone, make_clip
from tests.support.waiting import until

SECONDS = 120

PROBE = """
import json, os, pathlib, socket
def can_write(folder):
    try:
        (pathlib.Path(folder) / "probe").write_text("x")
    except OSError as error:
        return error.strerror
    return "yes"
def resolve(name):
    try:
        return socket.gethostbyname(name)
    except OSError:
        return None
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
folders = ["/app", "/app/scoring/weights", "/opt/venv", "/etc", "/", os.environ["AZ_BATCH_TASK_WORKING_DIR"], "/tmp"]
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(), "folder": os.getcwd(),
    "capabilities": int(status["CapEff"], 16), "processes": len([p for p in os.listdir("/proc") if p.isdigit()]),
    "writes": {folder: can_write(folder) for folder in folders}, "resolved": resolve("example.org"),
    "environment": dict(os.environ),
}))
"""
MODULES = """
import importlib, pkgutil, frame_tools, scoring
for package in (frame_tools, scoring):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


class Tasks:
    """Single tasks on the node, by the Batch client."""

    def __init__(self, image_system: ImageSystem) -> None:
        url = image_system.system.cloud.settings["BATCH_ENDPOINT"]
        self._client = BatchClient(url, AzureNamedKeyCredential("localbatch", "bG9jYWw="))
        self._client.create_job(m.BatchJobCreateOptions(id="probes", pool_info=m.BatchPoolInfo(pool_id=POOL_ID)))

    def run(self, name: str, *command: str, limit: dt.timedelta | None = None) -> m.BatchTask:
        """Run a command to its end."""
        options = m.BatchTaskCreateOptions(
            id=name,
            command_line=shlex.join(command),
            container_settings=m.BatchTaskContainerSettings(image_name=NODE_IMAGE),
            constraints=m.BatchTaskConstraints(max_wall_clock_time=limit or dt.timedelta(minutes=5)),
        )
        self._client.create_task("probes", options)
        return until(lambda: self._completed(name), f"{name} has ended", seconds=SECONDS)

    def output(self, name: str, file: str = "stdout.txt") -> str:
        return b"".join(self._client.download_task_file("probes", name, file)).decode()

    def _completed(self, name: str) -> m.BatchTask | None:
        task = self._client.get_task("probes", name)
        return task if task.state == "completed" else None


@pytest.fixture(scope="module")
def tasks(image_system: ImageSystem) -> Tasks:
    return Tasks(image_system)


@pytest.fixture(scope="module")
def probe(tasks: Tasks) -> dict[str, Any]:
    """What a task sees of the machine."""
    task = tasks.run("probe", "python", "-c", PROBE)
    assert task.execution_info.exit_code == 0, tasks.output("probe", "stderr.txt")
    return dict(json.loads(tasks.output("probe")))


def test_task_is_an_unprivileged_user(probe: Mapping[str, Any]) -> None:
    assert (probe["uid"], probe["gid"], probe["capabilities"]) == (10001, 10001, 0)
    assert set(probe["groups"]) <= {10001}
    assert probe["folder"] == "/app"


def test_task_writes_to_its_temporary_folder_only(probe: Mapping[str, Any]) -> None:
    assert [folder for folder, answer in probe["writes"].items() if answer == "yes"] == ["/tmp"]  # noqa: S108


def test_task_sees_no_other_process_and_no_other_machine(probe: Mapping[str, Any]) -> None:
    assert probe["processes"] <= 3
    assert probe["resolved"] is None


def test_task_has_the_environment_of_image_and_batch(probe: Mapping[str, Any]) -> None:
    assert probe["environment"]["AZ_BATCH_NODE_ROOT_DIR"] == "/mnt/batch/tasks"
    assert probe["environment"]["PATH"].startswith("/opt/venv/bin:")
    assert not [name for name in probe["environment"] if name in ("VIRTUAL_ENV", "IMPASTO_WEIGHTS", "TORCH_INDEX")]


def test_every_module_is_importable(tasks: Tasks) -> None:
    task = tasks.run("imports", "python", "-c", MODULES)
    assert task.execution_info.exit_code == 0, tasks.output("imports", "stderr.txt")[-2000:]


def test_time_limit_ends_all_processes(tasks: Tasks) -> None:
    script = "import subprocess, sys; print('started', flush=True); subprocess.run(['sleep', '86399'])"
    task = tasks.run("endless", "python", "-c", script, limit=dt.timedelta(seconds=10))
    assert task.execution_info.result == "failure"
    assert tasks.output("endless") == "started\n"
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\x0086399" in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return mode, size and time of change of all files and folders."""
    states = {str(path): path.lstat() for path in [folder, *below(folder)]}
    return {name: (status.st_mode, status.st_size, status.st_ctime_ns) for name, status in states.items()}


def test_video_is_painted_in_the_image(image_system: ImageSystem, root: Path, tmp_path: Path) -> None:
    tone = Tone(seconds=0.4, language="eng")
    clip = make_clip(tmp_path / "clip.mp4", Clip(frames=8, size=(96, 64), rate=Fraction(25), audio=(tone,)))
    painting = tmp_path / "painting.png"
    Image.effect_noise((128, 96), 80).convert("RGB").save(painting)
    system, out, before = image_system.system, tmp_path / "out.mp4", snapshot(root)
    options = ["--style", str(painting), "--frames-per-batch", "4", "--scratch", str(tmp_path / "scratch")]
    done = system.command("restyle", str(clip), "--out", str(out), *options)
    assert done.returncode == 0, done.stderr + system.log()
    with av.open(str(out)) as container, av.open(str(clip)) as original:
        assert len(container.streams.audio) == 1
        painted = [frame.to_image() for frame in container.decode(video=0)]
        assert [frame.size for frame in painted] == [(96, 64)] * 8
        assert painted[0].tobytes() != next(original.decode(video=0)).to_image().tobytes()
    assert snapshot(root) == before
    assert not list((image_system.folder / "batch" / "containers").iterdir())
    written = [path for path in below(image_system.node) if path.is_file()]
    # All by the Batch service.
    assert {path.name for path in written} == {"stdout.txt", "stderr.txt", "fileuploadout.txt"}
