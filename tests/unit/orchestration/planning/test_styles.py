"""Planned styles and keyframes."""

from frame_tools.contracts.plan import PlannedKeyframe
from frame_tools.contracts.scorers import SCORERS
from frame_tools.storage.blobs import sha256_of
from tests.support.fake_node import read_plan
from tests.support.style_files import jpeg_painting, safetensors
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


def test_styles_and_keyframes_are_planned(world: World) -> None:
    world.upload_frames("clip")
    world.upload_files("clip", {"sea.png": painting(), "bay.jpg": jpeg_painting(), "own.safetensors": safetensors()})
    keys = [{"at": 0.1, "style": {"own.safetensors": 3, "sea.png": 1}}, {"at": 0.24, "style": "bay.jpg"}]
    style = {"sea.png": 3, "bay.jpg": 1}
    run_id = world.fire_trigger(
        world.upload_trigger("clip", scorer="any", style=style, key_styles=keys, seed=7, temporal_smoothing=0.25)
    )
    plan = read_plan(world.storage, run_id)
    assert [(style.name, style.kind) for style in plan.styles] == [
        ("sea.png", "painting"),
        ("bay.jpg", "painting"),
        ("own.safetensors", "tuned"),
    ]
    assert plan.key_styles == (
        PlannedKeyframe(at=0, weights=(0.75, 0.25, 0)),
        PlannedKeyframe(at=0.1, weights=(0.25, 0, 0.75)),
        PlannedKeyframe(at=0.24, weights=(0, 1, 0)),
    )
    for planned, data in zip(plan.styles, (painting(), jpeg_painting(), safetensors()), strict=True):
        assert (planned.sha256, world.storage.work.need(planned.blob.name).data) == (sha256_of(data), data)
    assert (plan.options.seed, plan.options.temporal_smoothing) == (7, 0.25)
    assert plan.sample == (0, 1, 2, 3, 4, 5)
    assert plan.weights_sha256 == SCORERS["any"].weights_sha256
    assert plan.versions["impasto"]


def test_single_style_is_one_keyframe(world: World) -> None:
    world.upload_frames("clip")
    world.upload_files("clip", {"sea.png": painting()})
    plan = read_plan(world.storage, world.fire_trigger(world.upload_trigger("clip", scorer="any", style="sea.png")))
    assert plan.key_styles == (PlannedKeyframe(at=0, weights=(1,)),)
    without = read_plan(
        world.storage, world.fire_trigger(world.upload_trigger("clip2", input="clip", style="nowhere.jpg"))
    )
    assert (without.styles, without.key_styles) == ((), ())
