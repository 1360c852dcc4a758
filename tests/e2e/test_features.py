"""The words of a trigger file through the whole chain: mixed styles over time, masks, records, programs, other options.

Frames are few and small: what is looked at is that every word arrives at the node and comes back as a picture, a line
or a sentence. How well it is painted is judged in tests/scoring.
"""

import hashlib
import json
import math
import random
import struct
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image, ImageChops, ImageStat

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.media.split import split
from local_cloud.accounts import FREE_PORTS
from local_cloud.cloud import CloudOptions
from tests.support.clips import Clip, make_clip
from tests.support.system import PATIENCE, Chain, fingerprint, running_chain, upload_split
from tests.support.waiting import until

FRAMES = 12
SIZE = (64, 48)
STYLE_CHANNELS = 347
"""Each has a scale and a shift: the first part of a style."""
STYLE_KERNELS = 99_864
"""Numbers in the kernels; what is added to each is the other part."""

READS_NUMBERS = b'''"""Read the number that is drawn in each frame."""


class Reader:
    def __init__(self, context):
        self.context = context
        if context.arguments.get("stumble"):
            raise LookupError("no such book")

    def describe(self, frames, moments):
        return [self.record(frame) for frame in frames]

    def record(self, frame):
        height, width = frame.shape[:2]
        centre = [((c // 4 * 2 + 1) * height // 8, (c % 4 * 2 + 1) * width // 8) for c in range(16)]
        bits = [frame[y, x].mean() > 128 for c, (y, x) in enumerate(centre) if c not in (0, 1, 3, 4, 12, 15)]
        number = sum(int(bit) << place for place, bit in enumerate(bits))
        return {"number": number, "seed": self.context.seed, "said": dict(self.context.arguments)}


def load(context):
    return Reader(context)
'''


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A local cloud whose operator allows one script, and whose failing tasks are given up soon."""
    listed = {
        "reader": {
            "file": "reader.py",
            "sha256": hashlib.sha256(READS_NUMBERS).hexdigest(),
            "kind": "script",
            "makes": "records",
        }
    }
    few_tries = {"MAX_TASK_RETRIES": "1", "SWEEP_RETRIES": "0", "SWEEP_SCHEDULE": "*/5 * * * * *"}
    options = CloudOptions(
        folder=tmp_path_factory.mktemp("cloud"),
        ports=FREE_PORTS,
        in_memory=True,
        slots=2,
        settings={"ALLOWED_PROGRAMS": json.dumps(listed), **few_tries},
    )
    with running_chain(options) as running:
        running.storage.scripts.write("reader.py", READS_NUMBERS)
        yield running


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve numbered frames, 25 a second."""
    return make_clip(tmp_path_factory.mktemp("small") / "small.mp4", Clip(frames=FRAMES, size=SIZE, rate=Fraction(25)))


@pytest.fixture(scope="module")
def small(chain: Chain, small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same taken apart; the input folder `small` holds it."""
    folder = tmp_path_factory.mktemp("small-split")
    split(small_clip, folder)
    upload_split(chain, folder, "small")
    return folder


def picture(seed: int, size: tuple[int, int], color: tuple[int, int, int]) -> bytes:
    """Blotches of many sizes, tinted: a painting, or a frame with something in it."""
    noise = Image.new("RGB", size)
    dice = random.Random(seed)
    for cells in (2, 5, 16, 40):
        layer = Image.frombytes("RGB", (cells, cells), dice.randbytes(3 * cells * cells))
        noise = Image.blend(noise, layer.resize(size, Image.Resampling.BICUBIC), 0.5)
    file = BytesIO()
    Image.blend(noise, Image.new("RGB", size, color), 0.3).save(file, "PNG")
    return file.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference, in levels of 256."""
    return sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean) / 3


def painted(chain: Chain, run_id: str, name: str) -> Image.Image:
    """A painted frame as it is stored."""
    return Image.open(BytesIO(chain.storage.work.need(RunPaths(run_id).styled_frame(name)).data))


def report(chain: Chain, run_id: str) -> dict[str, Any]:
    """The run's report, which is written a moment after its end."""
    until(lambda: chain.storage.output.exists(RunPaths(run_id).report), "the report", seconds=PATIENCE)
    return json.loads(chain.storage.output.need(RunPaths(run_id).report).data)


def records(chain: Chain, status: dict[str, Any]) -> list[dict[str, Any]]:
    """What a finished run has to say of its frames."""
    assert status["status"] == "finished", f"{status}\n{chain.log()}"
    return [
        json.loads(line)
        for line in chain.storage.output.need(status["records"].removeprefix("output/")).data.splitlines()
    ]


def tuned_style(numbers: list[float]) -> bytes:
    """A tuned style's file, written down plainly: the length of the header, the header, the numbers."""
    data, border = struct.pack(f"<{len(numbers)}f", *numbers), 4 * 2 * STYLE_CHANNELS
    parts = {
        "norms": {"dtype": "F32", "shape": [2, STYLE_CHANNELS], "data_offsets": [0, border]},
        "kernels": {"dtype": "F32", "shape": [STYLE_KERNELS], "data_offsets": [border, len(data)]},
    }
    header = json.dumps(parts).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def made_up_style(seed: int) -> list[float]:
    """Scales around 1, the rest around 0, over powers of 2: the mean of two of them is exact in single precision."""
    dice = random.Random(seed)
    scales = [dice.randrange(32, 97) / 64 for _ in range(STYLE_CHANNELS)]
    shifts = [dice.randrange(-32, 33) / 64 for _ in range(STYLE_CHANNELS)]
    return scales + shifts + [dice.randrange(-64, 65) / 4096 for _ in range(STYLE_KERNELS)]


def test_mixed_styles_go_over_into_another_with_time_and_stay_inside_the_mask(chain: Chain) -> None:
    """The frames are all one picture, so whatever changes is the style's doing."""
    frame = picture(1, (96, 64), (90, 120, 60))
    mask = Image.new("L", (96, 64))
    mask.paste(255, (0, 0, 48, 64))
    mask_file = BytesIO()
    mask.save(mask_file, "PNG")
    for number in range(8):
        chain.outside.input.write(f"still/frames/{number:04d}.png", frame)
        chain.outside.input.write(f"still/matte/{number:04d}.png", mask_file.getvalue())
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255)), ("gold", (255, 200, 0))):
        chain.outside.input.write(f"still/{name}.png", picture(sum(color), (160, 120), color))
    put = chain.command(
        "trigger", "still", "--rate", "8", "--frames-per-batch", "3", "--steady", "0", "--mask", "matte",
        "--style", "red.png=3", "--style", "blue.png=1", "--key-style", "0.5=gold.png",
    )  # fmt: skip
    assert put.returncode == 0, put.stderr
    run_id = put.stdout.strip()
    chain.video(chain.wait(run_id))
    plan = Plan.load_stored(chain.storage.runs.need(RunPaths(run_id).plan).data)
    assert [style.name for style in plan.styles] == ["red.png", "blue.png", "gold.png"]
    assert [(key.at, key.weights) for key in plan.key_styles] == [(0, (0.75, 0.25, 0)), (0.5, (0, 0, 1))]

    files = [chain.storage.work.need(RunPaths(run_id).styled_frame(f"{number:04d}.png")).data for number in range(8)]
    assert len(set(files[4:])) == 1, "after the last key nothing changes, nor at the border of two batches"
    original = Image.open(BytesIO(frame))
    frames = [Image.open(BytesIO(file)).convert("RGB") for file in files]
    ways = [difference(one, frames[4]) for one in frames[:5]]
    assert ways == sorted(ways, reverse=True)
    assert ways[0] > 4 * ways[3] > 0
    assert all(difference(one.crop((52, 0, 96, 64)), original.crop((52, 0, 96, 64))) == 0 for one in frames)
    assert all(difference(one.crop((0, 0, 44, 64)), original.crop((0, 0, 44, 64))) > 10 for one in frames)


def test_what_the_operators_script_says_of_each_frame_is_gathered_in_order(chain: Chain, small: Path) -> None:
    words = {
        "scorer": "script",
        "program": "reader",
        "arguments": {"level": 3, "mode": "soft", "tint": True},
        "seed": 7,
    }
    run_id = chain.start("read", input="small", frames_per_batch=5, **words)
    status = chain.wait(run_id)
    assert status["batches"]["planned"] == 3
    assert records(chain, status) == [
        {"frame": i, "seconds": round(i / 25, 6), "number": i, "seed": 7, "said": words["arguments"]}
        for i in range(FRAMES)
    ]


def test_what_a_script_raises_is_told_in_its_words_when_all_tries_are_used_up(chain: Chain, small: Path) -> None:
    run_id = chain.start("stumble", input="small", scorer="script", program="reader", arguments={"stumble": True})
    status = chain.wait(run_id)
    assert status["status"] == "failed"
    line = 1 + READS_NUMBERS.splitlines().index(b'            raise LookupError("no such book")')
    said = f"The program reader failed to load: line {line}: LookupError: no such book"
    assert status["reason"] == f"Batch 0 failed: {said}"
    assert status["remedy"].startswith("Ask the operator to mend the script")
    assert f"logs/{run_id}/b00000/stderr.txt" in status["remedy"]


def test_a_look_at_a_video_comes_home_as_lines_in_order(
    chain: Chain, small_clip: Path, small: Path, tmp_path: Path
) -> None:
    done = chain.command(
        "restyle", str(small_clip), "--name", "looked", "--scorer", "look", "--frames-per-batch", "5",
        "--out", str(tmp_path / "looked.mp4"), "--scratch", str(tmp_path / "scratch"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + chain.log()
    assert done.stdout.strip() == str(tmp_path / "looked.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "looked.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(FRAMES))
    for line, path in zip(lines, sorted((small / "frames").iterdir()), strict=True):
        brightness = ImageStat.Stat(Image.open(path).convert("L")).mean[0] / 255
        assert line["brightness"] == pytest.approx(brightness, abs=0.01)
    assert lines[0]["distance"] is None
    for before, line in pairwise(lines):  # across the borders of batches, too
        assert line["distance"] == pytest.approx(math.dist(before["vector"], line["vector"]), abs=0.01)


def test_a_mix_of_two_tuned_styles_is_the_style_between_them(chain: Chain, small: Path) -> None:
    one, other = made_up_style(1), made_up_style(2)
    between = [(a + b) / 2 for a, b in zip(one, other, strict=True)]
    for name, numbers in (("one", one), ("other", other), ("between", between)):
        chain.outside.input.write(f"small/{name}.safetensors", tuned_style(numbers))
    mix = chain.start("mix", input="small", scorer="tuned", style={"one.safetensors": 2, "other.safetensors": 2})
    alone = chain.start("alone", input="small", scorer="tuned", style="between.safetensors")
    assert fingerprint(chain.video(chain.wait(mix))) == fingerprint(chain.video(chain.wait(alone)))
    assert difference(painted(chain, mix, "000001.jpg"), Image.open(small / "frames" / "000001.jpg")) > 10


def test_frames_that_come_out_flat_fail_in_words_and_other_options_make_a_new_run(chain: Chain, small: Path) -> None:
    chain.outside.input.write("small/dull.safetensors", tuned_style([0.0] * (2 * STYLE_CHANNELS + STYLE_KERNELS)))
    first = chain.start("dull", input="small", style="dull.safetensors", steady=0)
    failed = chain.wait(first)
    assert failed["status"] == "failed"
    assert failed["reason"] == "Batch 0 failed: Frame 000001.jpg can't be scored: came out flat"
    assert "all" in failed["remedy"]
    assert "missing" not in failed["remedy"]

    body = {"which": "all", "options": {"bad_frame": "original", "frames_per_batch": 6}}
    answer = requests.post(f"{chain.cloud.api}/runs/{first}/resubmit", json=body, timeout=60)
    assert answer.status_code == 202, answer.text
    second = answer.json()["run_id"]
    assert second != first
    status = chain.wait(second)
    chain.video(status)
    assert status["parent"] == first
    assert status["batches"]["done"] == 2
    for path in sorted((small / "frames").iterdir()):
        assert difference(painted(chain, second, path.name), Image.open(path)) < 3
    told = report(chain, second)
    assert told["bad_frames"]["count"] == FRAMES
    assert told["bad_frames"]["done"] == {"original": FRAMES}
    assert told["plan"]["frames"] == {"container": "input", "name": "small/frames/"}
    assert "torch" in " ".join(told["scoring"]["versions"])
    assert chain.wait(first)["status"] == "failed", "the first run stays as it is"


def test_a_program_that_is_not_on_the_list_is_refused_in_words(chain: Chain, small: Path) -> None:
    for name, program in (("near", "readr"), ("path", "reader.py")):
        status = chain.wait(chain.start(name, input="small", scorer="script", program=program))
        assert status["status"] == "refused"
        assert f"{program!r} is not on this deployment's list" in status["reason"]
        assert "reader" in status["remedy"]
    assert chain.wait(chain.start("kind", input="small", scorer="model", program="reader"))["remedy"].endswith("script")
