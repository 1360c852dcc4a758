"""Planned styles and keyframes."""

import io
import json
import struct
from typing import Any

from PIL import Image

from frame_tools.contracts.plan import PlannedKeyframe
from frame_tools.contracts.scorers import SCORERS
from frame_tools.storage.blobs import sha256_of
from tests.support.fake_node import read_plan
from tests.support.world import World, painting


def test_run_keeps_its_own_copy_of_a_style(world: World) -> None:
    world.upload_frames("clip", 2)
    world.storage.input.write("clip/sea.png", painting())
    run_id = world.fire_trigger(world.upload_trigger("clip", scorer="any", style="sea.png"))
    world.storage.input.write("clip/sea.png", b"another painting")
    (style,) = read_plan(world.storage, run_id).styles
    assert (style.name, style.kind, style.width, style.height) == ("sea.png", "painting", 40, 30)
    assert style.sha256 == sha256_of(painting())
    assert world.storage.work.need(style.blob.name).data == painting()


def safetensors(*, metadata: bool = False, header: bytes | None = None, room: int = 8) -> bytes:
    """A file with one tensor of `room` bytes, or with another header."""
    entries: dict[str, Any] = {"w": {"dtype": "F32", "shape": [room // 4], "data_offsets": [0, room]}}
    if metadata:
        entries["__metadata__"] = {"made": "here"}
    head = json.dumps(entries).encode() if header is None else header
    return struct.pack("<Q", len(head)) + head + bytes(room)


def other_painting() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 16), "navy").save(out, "JPEG")
    return out.getvalue()


def upload(world: World, **files: bytes) -> None:
    world.upload_frames("clip", 6)
    for name, data in files.items():
        world.storage.input.write(f"clip/{name.replace('_', '.')}", data)


def test_styles_and_keyframes_are_planned(world: World) -> None:
    upload(world, sea_png=painting(), bay_jpg=other_painting(), own_safetensors=safetensors())
    keys = [{"at": 0.1, "style": {"own.safetensors": 3, "sea.png": 1}}, {"at": 0.24, "style": "bay.jpg"}]
    style = {"sea.png": 3, "bay.jpg": 1}
    run_id = world.fire_trigger(
        world.upload_trigger("clip", scorer="any", style=style, key_styles=keys, seed=7, steady=0.25)
    )
    plan = read_plan(world.storage, run_id)
    assert [(one.name, one.kind) for one in plan.styles] == [
        ("sea.png", "painting"),
        ("bay.jpg", "painting"),
        ("own.safetensors", "tuned"),
    ]
    assert plan.key_styles == (
        PlannedKeyframe(at=0, weights=(0.75, 0.25, 0)),
        PlannedKeyframe(at=0.1, weights=(0.25, 0, 0.75)),
        PlannedKeyframe(at=0.24, weights=(0, 1, 0)),
    )
    for one, data in zip(plan.styles, (painting(), other_painting(), safetensors()), strict=True):
        assert (one.sha256, world.storage.work.need(one.blob.name).data) == (sha256_of(data), data)
    assert (plan.options.seed, plan.options.steady) == (7, 0.25)
    assert plan.sample == (0, 1, 2, 3, 4, 5)
    assert plan.weights_sha256 == SCORERS["any"].weights_sha256
    assert plan.versions["impasto"]


def test_single_style_is_one_keyframe(world: World) -> None:
    upload(world, sea_png=painting())
    plan = read_plan(world.storage, world.fire_trigger(world.upload_trigger("clip", scorer="any", style="sea.png")))
    assert plan.key_styles == (PlannedKeyframe(at=0, weights=(1,)),)
    passed_over = read_plan(
        world.storage, world.fire_trigger(world.upload_trigger("clip2", input="clip", style="nowhere.jpg"))
    )
    assert (passed_over.styles, passed_over.key_styles) == ((), ())
