"""Planned masks."""

import io

import pytest

from frame_tools.contracts.plan import BlobRef
from tests.support.clips import draw
from tests.support.fake_node import read_plan
from tests.support.world import World


def upload_masks(world: World, *mask_names: str) -> None:
    world.upload_frames("clip")
    for name in mask_names:
        world.storage.input.write(f"clip/masks/{name}", b"" if name.startswith("empty") else b"a mask")


MASK_NAMES = [f"{number:06d}.png" for number in range(1, 7)]


def test_mask_folder_is_planned_with_its_suffix(world: World) -> None:
    upload_masks(world, *MASK_NAMES, "thumbs.db", "old/000001.jpg")
    plan = read_plan(world.storage, world.fire_trigger(world.upload_trigger("clip", mask="masks")))
    assert plan.mask is not None
    assert (plan.mask.kind, plan.mask.suffix) == ("folder", ".png")
    assert plan.mask.blob == BlobRef(container="input", name="clip/masks/")


def test_mask_video_is_planned(world: World) -> None:
    world.upload_frames("clip")
    world.upload_files("clip", {"masks.mp4": b"a film"})
    plan = read_plan(world.storage, world.fire_trigger(world.upload_trigger("clip", mask="masks.mp4")))
    assert plan.mask is not None
    assert (plan.mask.kind, plan.mask.suffix, plan.mask.blob.name) == ("video", None, "clip/masks.mp4")


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_animation_is_planned_as_a_video(world: World, kind: str) -> None:
    file = io.BytesIO()
    frames = [draw(number, (64, 48)) for number in range(3)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    world.upload_frames("clip")
    world.upload_files("clip", {f"masks.{kind.lower()}": file.getvalue()})
    run_id = world.fire_trigger(world.upload_trigger("clip", mask=f"masks.{kind.lower()}"))
    plan = read_plan(world.storage, run_id)
    assert plan.mask is not None
    assert plan.mask.kind == "video"


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_single_image_is_refused(world: World, kind: str) -> None:
    file = io.BytesIO()
    draw(1, (64, 48)).save(file, kind)
    world.upload_frames("clip")
    world.upload_files("clip", {f"mask.{kind.lower()}": file.getvalue()})
    run_id = world.fire_trigger(world.upload_trigger("clip", mask=f"mask.{kind.lower()}"))
    assert "single image" in world.outcome(run_id).reason


@pytest.mark.parametrize(
    ("names", "fragment"),
    [
        (MASK_NAMES[:-1], "'000006.png'"),
        ([*MASK_NAMES, "000007.png"], "'000007.png'"),
        ([*MASK_NAMES[:-1], "000006.jpg"], ".jpg and .png"),
        (["readme.txt"], "no images"),
    ],
)
def test_mismatched_masks_are_refused(world: World, names: list[str], fragment: str) -> None:
    upload_masks(world, *names)
    run_id = world.fire_trigger(world.upload_trigger("clip", mask="masks"))
    assert fragment in world.outcome(run_id).reason


def test_empty_mask_is_refused(world: World) -> None:
    upload_masks(world, *MASK_NAMES)
    world.storage.input.write("clip/masks/000003.png", b"")
    run_id = world.fire_trigger(world.upload_trigger("clip", mask="masks"))
    assert "'000003.png'" in world.outcome(run_id).reason
