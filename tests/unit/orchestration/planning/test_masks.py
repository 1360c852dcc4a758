"""Planned masks."""

import pytest

from frame_tools.contracts.plan import BlobRef
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
