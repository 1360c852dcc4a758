"""The clip as a planned run of one batch, read from files and written to files."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from PIL import Image

from benchmarks.scoring.contenders import Setting
from frame_tools.contracts.batch_borders import spread_sample
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, PlannedKeyframe, PlannedStyle
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.version import IMPASTO_VERSION
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import Storage
from frame_tools.storage.in_memory import in_memory_storage
from scoring.pipeline.frame_source import FrameSource, open_frames
from scoring.tasks.base import Task
from scoring.tasks.inputs import run_inputs
from scoring.types import RunInputs

RUN: Final = "bench-0000000000"
FRAMES_PER_SECOND: Final = 30


@dataclass(frozen=True)
class Planned:
    """A planned run, and what its task reads first."""

    task: Task
    plan: Plan
    manifest: Manifest
    source: FrameSource
    inputs: RunInputs

    @property
    def storage(self) -> Storage:
        """Storage of the run."""
        return self.task.storage


def planned(setting: Setting, name: str) -> Planned:
    """Write the run to a folder `name` of its own, and open it as a task does."""
    clip = setting.clip
    storage = in_memory_storage()
    manifest = Manifest.plain(clip.frames, Fraction(FRAMES_PER_SECOND), width=clip.size.width, height=clip.size.height)
    for index, path in enumerate(clip.paths):
        storage.input.write(f"bench/frames/{manifest.frame_name(index)}", path.read_bytes())
    painting = clip.painting.read_bytes()
    storage.work.write(clip.painting.name, painting)
    data = manifest.dumps()
    storage.runs.write(RunPaths(RUN).manifest, data)
    plan = Plan(
        run_id=RUN,
        name="bench",
        correlation_id=RUN,
        options=setting.options,
        borders=(0, clip.frames),
        manifest_sha256=sha256_of(data),
        frames=BlobRef(container="input", name="bench/frames/"),
        styles=(_style(setting, painting),),
        key_styles=(PlannedKeyframe(at=0, weights=(1.0,)),),
        sample=spread_sample(clip.frames),
        weights_sha256=SCORERS[setting.options.scorer].weights_sha256,
        container="mp4",
        versions={"impasto": IMPASTO_VERSION},
    )
    storage.runs.write(RunPaths(RUN).plan, plan.dumps())
    task = Task(storage=storage, run_id=RUN, step=0, task_id="bench")
    source = open_frames({}, storage, plan.frames)
    return Planned(task, plan, manifest, source, run_inputs(task, plan, manifest, source))


def _style(setting: Setting, painting: bytes) -> PlannedStyle:
    path = setting.clip.painting
    with Image.open(path) as image:
        width, height = image.size
    return PlannedStyle(
        name=path.name,
        blob=BlobRef(container="work", name=path.name),
        sha256=sha256_of(painting),
        kind="painting",
        width=width,
        height=height,
    )
