"""Run inputs: every style, every style mix, and the planned sample."""

from fractions import Fraction

import pytest
from PIL import Image

from frame_tools.contracts.errors import DamagedError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import BlobRef, Plan, PlannedKeyframe, PlannedStyle
from frame_tools.media.images import encode_png
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.in_memory import in_memory_storage
from scoring.pipeline.frame_source import BlobFrames
from scoring.tasks.base import Task
from scoring.tasks.inputs import run_inputs
from scoring.types import StyleFile, StyleMix
from tests.support.clips import draw, read_number

RUN = "clip-0123456789"
SIZE = (64, 48)
MANIFEST = Manifest.plain(
    6, Fraction(25), width=SIZE[0], height=SIZE[1], image_format="png", pattern="{:06d}.png", first_number=1
)
STYLES = {"sea.png": b"a painting", "bay.png": b"another", "own.safetensors": b"a style"}
KEYS = ((0.0, (0.75, 0.25, 0.0)), (0.1, (0.25, 0.0, 0.75)), (0.2, (0.0, 1.0, 0.0)))


@pytest.fixture
def storage():
    """Return storage with copies of the styles and six numbered frames."""
    storage = in_memory_storage()
    for name, data in STYLES.items():
        storage.work.write(name, data)
    for index in range(MANIFEST.frame_count):
        storage.input.write(MANIFEST.frame_name(index), encode_png(draw(index, SIZE)))
    return storage


def inputs(storage, **options):
    """Return the run inputs of a plan with three styles that change with time."""
    plan = Plan(
        run_id=RUN,
        name="clip",
        correlation_id=RUN,
        options=Options(scorer="any", **options),
        borders=(0, 6),
        manifest_sha256="0" * 64,
        frames=BlobRef(container="input", name=""),
        styles=tuple(
            PlannedStyle(name=name, blob=BlobRef(container="work", name=name), sha256=sha256_of(data), kind="painting")
            for name, data in STYLES.items()
        ),
        key_styles=tuple(PlannedKeyframe(at=at, weights=weights) for at, weights in KEYS),
        sample=(1, 4),
        container="mp4",
        versions={},
    )
    task = Task(storage=storage, run_id=RUN, step=0, task_id="b00000")
    return run_inputs(task, plan, MANIFEST, BlobFrames(storage.input, ""))


def test_run_inputs_has_all_styles_and_mixes(storage):
    run = inputs(storage, seed=7)
    assert run.styles == tuple(StyleFile(name, data) for name, data in STYLES.items())
    assert run.style_mixes == tuple(StyleMix(at, weights) for at, weights in KEYS)
    assert run.options.seed == 7


def test_sample_is_planned_frames_at_working_size(storage):
    whole, small = inputs(storage).sample(), inputs(storage, size=24).sample()
    assert [read_number(Image.fromarray(picture)) for picture in whole] == [1, 4]
    assert [picture.shape for picture in small] == [(24, 32, 3)] * 2


def test_changed_style_is_damaged_and_named(storage):
    storage.work.write("bay.png", b"overwritten")
    with pytest.raises(DamagedError, match=r"bay\.png"):
        inputs(storage)
