"""Planned runs whose program enlarges its frames, in memory."""

from fractions import Fraction

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, PlannedProgram
from frame_tools.contracts.programs import file_blob
from frame_tools.storage.blobs import sha256_of
from tests.support.clips import draw
from tests.support.image_kinds import encode_as
from tests.support.scoring_tasks import BORDERS, RUN, planned

NEAREST = b'''"""Repeat pixels: what the result must be is known exactly."""


class Nearest:
    def __init__(self, context):
        self.scale = context.arguments.get("scale", 2)
        self.invert = context.arguments.get("invert", False)

    def score(self, frames, positions):
        large = frames.repeat(self.scale, 1).repeat(self.scale, 2)
        return 255 - large if self.invert else large


def load(context):
    return Nearest(context)
'''


def planned_with_scale(
    scale=2, *, frame_size=(64, 48), image_format="jpg", arguments=None, text=NEAREST, files=None, **changes
):
    """Return storage with five frames of `frame_size`, planned with a script; `changes` are options, or the mask."""
    plan_fields = {name: changes.pop(name) for name in ("mask",) if name in changes}
    program = PlannedProgram(
        name="nearest", file="nearest.py", sha256=sha256_of(text), kind="script", scale=scale, files=files or {}
    )
    storage = planned(
        "script",
        image_format=image_format,
        options={"program": "nearest", "arguments": {"scale": scale, **(arguments or {})}, **changes},
        program=program,
        **plan_fields,
    )
    storage.scripts.write("nearest.py", text)
    return resized(storage, frame_size, image_format)


def resized(storage, size, image_format):
    """Return the storage with frames and a manifest of another size."""
    manifest = Manifest.plain(
        BORDERS[-1], Fraction(25), width=size[0], height=size[1], image_format=image_format,
        pattern="{:06d}." + image_format,
    )  # fmt: skip
    for index in range(manifest.frame_count):
        image = draw(index, (max(size[0], 16), max(size[1], 16))).resize(size)
        storage.input.write(f"clip/frames/{manifest.frame_name(index)}", encode_as(f".{image_format}", image))
    storage.runs.write(RunPaths(RUN).manifest, manifest.dumps())
    plan = Plan.load_stored(storage.runs.need(RunPaths(RUN).plan).data)
    changed = plan.model_copy(update={"manifest_sha256": sha256_of(manifest.dumps())})
    storage.runs.write(RunPaths(RUN).plan, changed.dumps())
    return storage


def with_files(storage, **files):
    """Upload files beside the program, and return their planned names and hashes."""
    for data in files.values():
        storage.scripts.write(file_blob(sha256_of(data)), data)
    return {name: sha256_of(data) for name, data in files.items()}
