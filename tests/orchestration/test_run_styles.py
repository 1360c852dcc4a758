"""Styles, key styles, masks and programs: what a plan makes of them, and what is refused before a node is paid."""

import io
import json
import struct
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, PlannedKeyframe, PlannedProgram
from frame_tools.contracts.scorers import SCORERS
from frame_tools.storage.blobs import sha256_of
from orchestration.allowed_programs import AllowedPrograms
from orchestration.planning.style_validation import look_at
from orchestration.settings import Settings
from tests.support.fake_node import read_plan
from tests.support.world import World, painting

SHA = "ab" * 32
PROGRAMS = {
    "posterise": {"file": "posterise.py", "sha256": SHA, "kind": "script"},
    "count": {"file": "count.py", "sha256": SHA, "kind": "script", "makes": "records"},
    "cartoon": {"file": "cartoon.pt", "sha256": SHA, "kind": "torchscript"},
}


def safetensors(*, metadata: bool = False, header: bytes | None = None, room: int = 8) -> bytes:
    """A file with one tensor of `room` bytes, or with another header."""
    entries: dict[str, Any] = {"w": {"dtype": "F32", "shape": [room // 4], "data_offsets": [0, room]}}
    if metadata:
        entries["__metadata__"] = {"made": "here"}
    head = json.dumps(entries).encode() if header is None else header
    return struct.pack("<Q", len(head)) + head + bytes(room)


def checkpoint() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    return out.getvalue()


def other_painting() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 16), "navy").save(out, "JPEG")
    return out.getvalue()


# Kinds of file.


@pytest.mark.parametrize(
    ("scorer", "name", "data", "kind", "size"),
    [
        ("any", "sea.png", painting(), "painting", (40, 30)),
        ("any", "sea", painting(), "painting", (40, 30)),
        ("any", "sea.SafeTensors", safetensors(), "tuned", (None, None)),
        ("tuned", "sea.safetensors", safetensors(metadata=True), "tuned", (None, None)),
        ("gatys", "sea.jpg", other_painting(), "painting", (20, 16)),
        ("johnson", "mosaic.safetensors", safetensors(), "checkpoint", (None, None)),
        ("johnson", "mosaic.pth", checkpoint(), "checkpoint", (None, None)),
        ("johnson", "mosaic.model", b"\x80\x02old", "checkpoint", (None, None)),
        ("johnson", "mosaic.PT", checkpoint(), "checkpoint", (None, None)),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_a_style_file_is_known_by_name_and_first_bytes(
    scorer: str, name: str, data: bytes, kind: str, size: tuple[int | None, int | None]
) -> None:
    looked = look_at(name, data, SCORERS[scorer])
    assert (looked.kind, (looked.width, looked.height)) == (kind, size)


HEADER = b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'


@pytest.mark.parametrize(
    ("scorer", "name", "data", "words"),
    [
        ("tuned", "sea.png", painting(), "takes: tuned styles"),
        ("gatys", "sea.safetensors", safetensors(), "takes: paintings"),
        ("johnson", "sea.png", painting(), "takes: checkpoints"),
        ("any", "sea.pth", checkpoint(), "takes: paintings (image files) and tuned styles"),
        ("any", "sea.png", b"no picture", "can't be used"),
        ("any", "sea.png", other_painting()[:-200], "can't be used"),
        ("any", "sea.png", safetensors(), "can't be used"),
        ("johnson", "sea.pth", painting(), "torch.save"),
        ("johnson", "sea.pth", b"", "torch.save"),
        ("tuned", "a.safetensors", b"", "sensible length"),
        ("tuned", "a.safetensors", b"\0" * 7, "sensible length"),
        ("tuned", "a.safetensors", struct.pack("<Q", 2**63) + HEADER, "sensible length"),
        ("tuned", "a.safetensors", struct.pack("<Q", 2**20 + 1) + b" " * (2**20 + 1), "sensible length"),
        ("tuned", "a.safetensors", checkpoint(), "sensible length"),
        ("tuned", "a.safetensors", safetensors(header=b"{"), "not JSON"),
        ("tuned", "a.safetensors", safetensors(header=b"[" * 100_000), "not JSON"),
        ("tuned", "a.safetensors", safetensors(header=b"[]"), "names no tensors"),
        ("tuned", "a.safetensors", safetensors(header=b"{}"), "names no tensors"),
        ("tuned", "a.safetensors", safetensors(header=b'{"w": 1}'), "names no tensors"),
        ("tuned", "a.safetensors", safetensors(header=HEADER.replace(b"[0, 8]", b"[8, 0]")), "names no tensors"),
        ("tuned", "a.safetensors", safetensors()[:-1], "cut off"),
        ("tuned", "a.safetensors", safetensors() + b"\0", "do not fill it"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_a_file_of_another_kind_or_damaged_is_refused_in_words(scorer: str, name: str, data: bytes, words: str) -> None:
    with pytest.raises(InputError) as raised:
        look_at(name, data, SCORERS[scorer])
    assert words in raised.value.what
    assert name in raised.value.what
    assert raised.value.remedy


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: safetensors(header=tail)))
def test_any_bytes_are_a_style_or_refused(data: bytes) -> None:
    for scorer, name in (("tuned", "a.safetensors"), ("johnson", "a.pth"), ("any", "a.png")):
        with suppress(InputError):
            assert look_at(name, data, SCORERS[scorer]).kind in SCORERS[scorer].styles


# What the plan makes of them.


def put(world: World, **files: bytes) -> None:
    world.put_frames("clip", 6)
    for name, data in files.items():
        world.storage.input.write(f"clip/{name.replace('_', '.')}", data)


def test_several_styles_are_copied_each_and_their_weights_follow_the_time(world: World) -> None:
    put(world, sea_png=painting(), bay_jpg=other_painting(), own_safetensors=safetensors())
    keys = [{"at": 0.1, "style": {"own.safetensors": 3, "sea.png": 1}}, {"at": 0.24, "style": "bay.jpg"}]
    style = {"sea.png": 3, "bay.jpg": 1}
    run_id = world.fire(world.put_trigger("clip", scorer="any", style=style, key_styles=keys, seed=7, steady=0.25))
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


def test_a_plan_says_the_weight_of_the_frame_before_where_the_trigger_does_not(world: World) -> None:
    """Else a later version with another default would paint the rest of a run otherwise."""
    put(world, sea_png=painting())
    painted = {"input": "clip", "scorer": "any", "style": "sea.png"}
    for name, said, planned in (
        ("unsaid", painted, SCORERS["any"].steady),
        ("said", {**painted, "steady": 0}, 0),
        ("copied", {"input": "clip", "scorer": "copy"}, 0),
    ):
        plan = read_plan(world.storage, world.fire(world.put_trigger(name, **said)))
        assert plan.options.steady == plan.options.weight_of_before == planned
    assert SCORERS["any"].steady > 0


def test_a_plan_of_an_earlier_version_without_the_weight_is_still_read(world: World) -> None:
    put(world, sea_png=painting())
    run_id = world.fire(world.put_trigger("clip", scorer="any", style="sea.png"))
    earlier = json.loads(world.storage.runs.need(RunPaths(run_id).plan).data)
    del earlier["options"]["steady"]
    assert Plan.load_stored(json.dumps(earlier)).options.weight_of_before == SCORERS["any"].steady


def test_one_style_is_one_key_at_the_start_and_none_is_none(world: World) -> None:
    put(world, sea_png=painting())
    plan = read_plan(world.storage, world.fire(world.put_trigger("clip", scorer="any", style="sea.png")))
    assert plan.key_styles == (PlannedKeyframe(at=0, weights=(1,)),)
    passed_over = read_plan(world.storage, world.fire(world.put_trigger("clip2", input="clip", style="nowhere.jpg")))
    assert (passed_over.styles, passed_over.key_styles) == ((), ())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"scorer": "any", "style": {"sea.png": 1, "nowhere.jpg": 1}}, "'nowhere.jpg' is not in input/clip/"),
        ({"scorer": "tuned", "style": "sea.png"}, "takes: tuned styles"),
        ({"scorer": "any", "style": "sea.png", "key_styles": [{"at": 0.25, "style": "sea.png"}]}, "second 0.25"),
        ({"mask": "masks"}, "neither a folder nor a video 'masks'"),
        ({"mask": "sea.png"}, "is one picture"),
        ({"scorer": "script", "program": "posterize"}, "did you mean 'posterise'"),
        ({"scorer": "model", "program": "posterise"}, "not for the scorer 'model'"),
        ({"scorer": "script", "program": "cartoon"}, "not for the scorer 'script'"),
        ({"scorer": "script", "program": "count", "mask": "masks"}, "paints no pictures"),
    ],
)
def test_what_can_not_be_used_is_refused_in_words(world: World, words: dict[str, Any], said: str) -> None:
    world = world.changed(allowed_programs=json.dumps(PROGRAMS))
    put(world, sea_png=painting())
    run_id = world.fire(world.put_trigger("clip", **words))
    assert (world.status(run_id), said in world.outcome(run_id).reason) == ("refused", True), world.outcome(run_id)
    assert world.outcome(run_id).remedy


@pytest.mark.parametrize(
    "words",
    [
        {"scorer": "any", "style": "nowhere.jpg"},
        {"mask": "masks"},
        {"scorer": "script", "program": "unlisted"},
    ],
)
def test_before_a_video_is_split_all_that_can_be_seen_is_looked_at(world: World, words: dict[str, Any]) -> None:
    world.storage.input.write("film/film.mp4", b"a film")
    run_id = world.fire(world.put_trigger("film", video="film.mp4", **words))
    world.pump()
    assert world.status(run_id) == "refused"
    assert world.app.batch.tasks(ids.job_id(run_id, 0)) == []


# Masks.


def put_masks(world: World, *mask_names: str) -> None:
    put(world)
    for name in mask_names:
        world.storage.input.write(f"clip/masks/{name}", b"" if name.startswith("empty") else b"a mask")


SIX = [f"{number:06d}.png" for number in range(1, 7)]


def test_a_folder_of_masks_is_planned_with_its_ending(world: World) -> None:
    put_masks(world, *SIX, "thumbs.db", "old/000001.jpg")
    plan = read_plan(world.storage, world.fire(world.put_trigger("clip", mask="masks")))
    assert plan.mask is not None
    assert (plan.mask.kind, plan.mask.suffix) == ("folder", ".png")
    assert plan.mask.blob == BlobRef(container="input", name="clip/masks/")


def test_a_video_of_masks_is_planned_as_one(world: World) -> None:
    put(world, masks_mp4=b"a film")
    plan = read_plan(world.storage, world.fire(world.put_trigger("clip", mask="masks.mp4")))
    assert plan.mask is not None
    assert (plan.mask.kind, plan.mask.suffix, plan.mask.blob.name) == ("video", None, "clip/masks.mp4")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (SIX[:-1], "Of 6 masks 1 are missing, the first is '000006.png'"),
        ([*SIX, "000007.png"], "1 masks without a frame, the first is '000007.png'"),
        ([*SIX[:-1], "000006.jpg"], "masks of two kinds, .jpg and .png"),
        (["readme.txt"], "holds no pictures"),
    ],
)
def test_masks_that_do_not_fit_the_frames_are_refused(world: World, there: list[str], said: str) -> None:
    put_masks(world, *there)
    run_id = world.fire(world.put_trigger("clip", mask="masks"))
    assert said in world.outcome(run_id).reason


def test_a_mask_without_bytes_is_refused(world: World) -> None:
    put_masks(world, *SIX)
    world.storage.input.write("clip/masks/000003.png", b"")
    run_id = world.fire(world.put_trigger("clip", mask="masks"))
    assert "'000003.png' has no bytes" in world.outcome(run_id).reason


# Programs.


def test_a_program_is_planned_with_its_file_and_hash_and_says_what_the_run_makes(world: World) -> None:
    world = world.changed(allowed_programs=json.dumps(PROGRAMS))
    put(world)
    words: dict[str, Any] = {"scorer": "script", "program": "count", "arguments": {"a": 1}}
    plan = read_plan(world.storage, world.fire(world.put_trigger("clip", **words)))
    assert plan.program == PlannedProgram(name="count", file="count.py", sha256=SHA, kind="script")
    assert (plan.makes, plan.options.arguments, plan.weights_sha256) == ("records", {"a": 1}, None)
    words = {"scorer": "model", "program": "cartoon", "input": "clip"}
    model = read_plan(world.storage, world.fire(world.put_trigger("clip2", **words)))
    assert model.program is not None
    assert (model.makes, model.program.kind) == ("pictures", "torchscript")


def test_without_a_list_no_program_runs_and_the_operator_is_named(world: World) -> None:
    put(world)
    run_id = world.fire(world.put_trigger("clip", scorer="script", program="posterise"))
    assert world.status(run_id) == "refused"
    assert "ALLOWED_PROGRAMS" in world.outcome(run_id).remedy


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"file": "../x.py", "sha256": SHA, "kind": "script"},
        {"file": "x.py", "sha256": "0", "kind": "script"},
        {"file": "x.py", "sha256": SHA, "kind": "pickle"},
        {"file": "x.py", "sha256": SHA, "kind": "exported", "makes": "records"},
        {"file": "x.py", "sha256": SHA, "kind": "script", "command": "rm"},
    ],
)
def test_a_list_that_makes_no_sense_keeps_the_app_from_starting(entry: dict[str, str]) -> None:
    with pytest.raises(InputError, match="allowed programs"):
        AllowedPrograms.parse_input(json.dumps({"x": entry}))
    environ = {"BATCH_ENDPOINT": "http://127.0.0.1:1", "NODE_IMAGE": "i", "ALLOWED_PROGRAMS": json.dumps({"x": entry})}
    with pytest.raises(InputError, match="ALLOWED_PROGRAMS"):
        Settings.from_environment(environ)


@pytest.mark.parametrize("text", ["[]", "{", '{"../x": {}}'])
def test_a_list_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="allowed programs"):
        AllowedPrograms.parse_input(text)
