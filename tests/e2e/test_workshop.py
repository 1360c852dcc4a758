"""The workshop in the running system: a program is allowed, and runs whose video it enlarges."""

import json
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import pytest

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.programs import LIST_BLOB
from frame_tools.media.images import read_rgb
from frame_tools.media.split import split
from local_cloud.accounts import FREE_PORTS
from local_cloud.cloud import CloudOptions
from tests.architecture.modules import ROOT
from tests.support.clips import Clip, make_clip
from tests.support.system import RunningSystem, running_system, upload_split

SAMPLES = ROOT / "samples" / "scorers"
FRAMES, SIZE = 7, (63, 48)

READS_WEIGHTS = b'''"""Brightness times a weight from a file beside the script."""


class Weighted:
    def __init__(self, context):
        self.weight = float(context.files["weight.txt"].read_text())

    def describe(self, frames, positions):
        return [{"calls": len(frames), "weighted": self.weight * float(frame.mean())} for frame in frames]


def load(context):
    return Weighted(context)
'''


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A local cloud without the setting ALLOWED_PROGRAMS."""
    options = CloudOptions(folder=tmp_path_factory.mktemp("cloud"), ports=FREE_PORTS, in_memory=True, slots=2)
    with running_system(options) as running:
        folder = tmp_path_factory.mktemp("split")
        clip = make_clip(folder / "clip.mp4", Clip(frames=FRAMES, size=SIZE, rate=Fraction(25)))
        split(clip, folder / "split")
        upload_split(running, folder / "split", "clip")
        yield running


def test_super_resolution_doubles_the_video(system: RunningSystem) -> None:
    refused = system.wait(system.start("early", input="clip", scorer="script", program="super_resolution"))
    assert refused["status"] == "refused"
    allowed = system.command("scorer", "allow", str(SAMPLES / "super_resolution.py"), "--scale", "2")
    assert allowed.returncode == 0, allowed.stderr
    assert allowed.stderr == "", "the app says that the list counts"
    run_id = system.start(
        "large", input="clip", scorer="script", program="super_resolution", frames_per_batch=4, strength=0.9
    )
    video = system.video(system.wait(run_id))
    plan = Plan.load_stored(system.storage.runs.need(RunPaths(run_id).plan).data)
    assert (plan.scale, plan.batch_count) == (2, 2)
    with av.open(BytesIO(video)) as opened:
        assert [(frame.width, frame.height) for frame in opened.decode(video=0)] == [(126, 96)] * FRAMES
    painted = [item.name for item in system.storage.work.list(f"{run_id}/frames/")]
    assert len(painted) == FRAMES
    assert {read_rgb(system.storage.work.need(name).data).size for name in painted} == {(126, 96)}
    report = system.report(run_id)
    assert (report["clip"]["width"], report["clip"]["height"], report["clip"]["scale"]) == (63, 48, 2)
    page = system.storage.output.need(RunPaths(run_id).page).data.decode()
    assert "63 × 48, delivered at 126 × 96" in page


def test_script_reads_its_weights_and_gets_several_frames(system: RunningSystem, tmp_path: Path) -> None:
    (tmp_path / "bright.py").write_bytes(READS_WEIGHTS)
    (tmp_path / "weight.txt").write_text("0.5")
    argv = ["scorer", "allow", str(tmp_path / "bright.py"), "--files", str(tmp_path / "weight.txt")]
    allowed = system.command(*argv, "--frames-per-call", "3")
    assert allowed.returncode == 0, allowed.stderr
    listed = [json.loads(line) for line in system.command("scorer", "list", "--json").stdout.splitlines()]
    assert [(each["name"], each["makes"], each["files"]) for each in listed if each["name"] == "bright"] == [
        ("bright", "records", ["weight.txt"])
    ]
    status = system.wait(system.start("bright", input="clip", scorer="script", program="bright"))
    assert status["status"] == "finished", f"{status}\n{system.log()}"
    records = system.storage.output.need(status["records"].removeprefix("output/")).data.splitlines()
    assert [json.loads(line)["calls"] for line in records] == [3, 3, 3, 3, 3, 3, 1]
    assert all(0 < json.loads(line)["weighted"] < 128 for line in records)


def test_removed_program_is_refused(system: RunningSystem) -> None:
    system.command("scorer", "allow", str(SAMPLES / "posterize.py"))
    assert b"posterize" in system.storage.scripts.need(LIST_BLOB).data
    assert system.command("scorer", "remove", "posterize").returncode == 0
    status = system.wait(system.start("gone", input="clip", scorer="script", program="posterize"))
    assert status["status"] == "refused"
    assert "'posterize' is not on this deployment's list" in status["reason"]
