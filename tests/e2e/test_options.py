"""Options of a trigger file in the running system: mixed styles over time, masks, records, programs, resubmission.

Frames are few and small: the tests check that every option reaches the node and has its effect. Image quality is tested
with the scorers.
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

from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.tuning import TuningPaths
from frame_tools.media.split import split
from frame_tools.storage.blobs import sha256_of
from local_cloud.accounts import FREE_PORTS
from local_cloud.cloud import CloudOptions
from tests.support.clips import Clip, make_clip
from tests.support.system import RunningSystem, digest, running_system, upload_split

FRAMES = 12
SIZE = (64, 48)
STYLE_CHANNELS = 347
"""Each has a scale and a shift, which are the first part of a style."""
STYLE_KERNELS = 99_864
"""Weights of all kernels; the second part of a style is the offset of each."""

READS_NUMBERS = b'''"""Read the number that is drawn in each frame."""


class Reader:
    def __init__(self, context):
        self.context = context
        if context.arguments.get("fail"):
            raise LookupError("no such key")

    def describe(self, frames, positions):
        return [self.record(frame) for frame in frames]

    def record(self, frame):
        height, width = frame.shape[:2]
        center = [((c // 4 * 2 + 1) * height // 8, (c % 4 * 2 + 1) * width // 8) for c in range(16)]
        bits = [frame[y, x].mean() > 128 for c, (y, x) in enumerate(center) if c not in (0, 1, 3, 4, 12, 15)]
        number = sum(int(bit) << place for place, bit in enumerate(bits))
        return {"number": number, "seed": self.context.seed, "arguments": dict(self.context.arguments)}


def load(context):
    return Reader(context)
'''


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A local cloud with one allowed script and few retries."""
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
    with running_system(options) as running:
        running.storage.scripts.write("reader.py", READS_NUMBERS)
        yield running


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve numbered frames at 25 per second."""
    return make_clip(tmp_path_factory.mktemp("small") / "small.mp4", Clip(frames=FRAMES, size=SIZE, rate=Fraction(25)))


@pytest.fixture(scope="module")
def small(system: RunningSystem, small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the split small clip, which is uploaded as `small`."""
    folder = tmp_path_factory.mktemp("small-split")
    split(small_clip, folder)
    upload_split(system, folder, "small")
    return folder


def texture(seed: int, size: tuple[int, int], color: tuple[int, int, int]) -> bytes:
    """Return a PNG of tinted noise at several scales."""
    noise = Image.new("RGB", size)
    dice = random.Random(seed)
    for cells in (2, 5, 16, 40):
        layer = Image.frombytes("RGB", (cells, cells), dice.randbytes(3 * cells * cells))
        noise = Image.blend(noise, layer.resize(size, Image.Resampling.BICUBIC), 0.5)
    file = BytesIO()
    Image.blend(noise, Image.new("RGB", size, color), 0.3).save(file, "PNG")
    return file.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean absolute difference, in levels of 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean) / 3


def painted_frame(system: RunningSystem, run_id: str, name: str) -> Image.Image:
    """Return a stored painted frame."""
    return Image.open(BytesIO(system.storage.work.need(RunPaths(run_id).painted_frame(name)).data))


def records(system: RunningSystem, status: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records of a finished run."""
    assert status["status"] == "finished", f"{status}\n{system.log()}"
    return [
        json.loads(line)
        for line in system.storage.output.need(status["records"].removeprefix("output/")).data.splitlines()
    ]


def tuned_style(numbers: list[float]) -> bytes:
    """Return a safetensors file of a tuned style: header length, header, values."""
    data, border = struct.pack(f"<{len(numbers)}f", *numbers), 4 * 2 * STYLE_CHANNELS
    parts = {
        "norms": {"dtype": "F32", "shape": [2, STYLE_CHANNELS], "data_offsets": [0, border]},
        "kernels": {"dtype": "F32", "shape": [STYLE_KERNELS], "data_offsets": [border, len(data)]},
    }
    header = json.dumps(parts).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def random_style(seed: int) -> list[float]:
    """Return scales around 1 and other values around 0; the mean of two such styles is exact in single precision."""
    dice = random.Random(seed)
    scales = [dice.randrange(32, 97) / 64 for _ in range(STYLE_CHANNELS)]
    shifts = [dice.randrange(-32, 33) / 64 for _ in range(STYLE_CHANNELS)]
    return scales + shifts + [dice.randrange(-64, 65) / 4096 for _ in range(STYLE_KERNELS)]


def test_style_mix_changes_over_time_inside_the_mask(system: RunningSystem) -> None:
    """All frames are identical, so every change comes from the style."""
    original = Image.open(BytesIO(texture(1, (96, 64), (90, 120, 60))))
    frame_file = BytesIO()
    original.save(frame_file, "TIFF", compression="tiff_lzw")
    mask = Image.new("L", (96, 64))
    mask.paste(255, (0, 0, 48, 64))
    mask_file = BytesIO()
    mask.save(mask_file, "WEBP", lossless=True)
    for number in range(8):
        system.user_storage.input.write(f"still/frames/{number:04d}.tif", frame_file.getvalue())
        system.user_storage.input.write(f"still/matte/{number:04d}.webp", mask_file.getvalue())
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255)), ("gold", (255, 200, 0))):
        system.user_storage.input.write(f"still/{name}.png", texture(sum(color), (160, 120), color))
    triggered = system.command(
        "trigger", "still", "--rate", "8", "--frames-per-batch", "3", "--temporal-smoothing", "0", "--mask", "matte",
        "--style", "red.png=3", "--style", "blue.png=1", "--key-style", "0.5=gold.png",
    )  # fmt: skip
    assert triggered.returncode == 0, triggered.stderr
    run_id = triggered.stdout.strip()
    system.video(system.wait(run_id))
    plan = Plan.load_stored(system.storage.runs.need(RunPaths(run_id).plan).data)
    assert [style.name for style in plan.styles] == ["red.png", "blue.png", "gold.png"]
    assert [(key.at, key.weights) for key in plan.key_styles] == [(0, (0.75, 0.25, 0)), (0.5, (0, 0, 1))]

    files = [system.storage.work.need(RunPaths(run_id).painted_frame(f"{number:04d}.png")).data for number in range(8)]
    assert len(set(files[4:])) == 1, "nothing changes after the last keyframe, nor at a batch border"
    frames = [Image.open(BytesIO(file)).convert("RGB") for file in files]
    distances = [difference(one, frames[4]) for one in frames[:5]]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 3 * distances[3] > 0, "at frame 3 a quarter of the way is left"
    assert all(difference(one.crop((52, 0, 96, 64)), original.crop((52, 0, 96, 64))) == 0 for one in frames)
    assert all(difference(one.crop((0, 0, 44, 64)), original.crop((0, 0, 44, 64))) > 10 for one in frames)


def test_script_records_are_joined_in_order(system: RunningSystem, small: Path) -> None:
    options = {
        "scorer": "script",
        "program": "reader",
        "arguments": {"level": 3, "mode": "soft", "tint": True},
        "seed": 7,
    }
    run_id = system.start("read", input="small", frames_per_batch=5, **options)
    status = system.wait(run_id)
    assert status["batches"]["planned"] == 3
    assert records(system, status) == [
        {"frame": i, "seconds": round(i / 25, 6), "number": i, "seed": 7, "arguments": options["arguments"]}
        for i in range(FRAMES)
    ]


def test_script_exception_fails_run_with_its_message(system: RunningSystem, small: Path) -> None:
    run_id = system.start("fail", input="small", scorer="script", program="reader", arguments={"fail": True})
    status = system.wait(run_id)
    assert status["status"] == "failed"
    line = 1 + READS_NUMBERS.splitlines().index(b'            raise LookupError("no such key")')
    assert f"line {line}: LookupError: no such key" in status["reason"]
    assert "reader" in status["reason"]
    assert status["next_step"] == NextStep.START_NEW_RUN, "a fixed script has another hash"
    assert f"logs/{run_id}/b00000/stderr.txt" in status["remedy"]


def test_restyle_downloads_records_in_order(
    system: RunningSystem, small_clip: Path, small: Path, tmp_path: Path
) -> None:
    done = system.command(
        "restyle", str(small_clip), "--name", "looked", "--scorer", "describe", "--frames-per-batch", "5",
        "--out", str(tmp_path / "looked.mp4"), "--scratch", str(tmp_path / "scratch"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + system.log()
    assert done.stdout.strip() == str(tmp_path / "looked.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "looked.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(FRAMES))
    for line, path in zip(lines, sorted((small / "frames").iterdir()), strict=True):
        brightness = ImageStat.Stat(Image.open(path).convert("L")).mean[0] / 255
        assert line["brightness"] == pytest.approx(brightness, abs=0.01)
    assert lines[0]["distance"] is None
    for before, line in pairwise(lines):  # also across batch borders
        assert line["distance"] == pytest.approx(math.dist(before["vector"], line["vector"]), abs=0.01)


def test_mix_of_tuned_styles_is_their_mean(system: RunningSystem, small: Path) -> None:
    one, other = random_style(1), random_style(2)
    between = [(a + b) / 2 for a, b in zip(one, other, strict=True)]
    for name, numbers in (("one", one), ("other", other), ("between", between)):
        system.user_storage.input.write(f"small/{name}.safetensors", tuned_style(numbers))
    mix = system.start("mix", input="small", scorer="tuned", style={"one.safetensors": 2, "other.safetensors": 2})
    alone = system.start("alone", input="small", scorer="tuned", style="between.safetensors")
    assert digest(system.video(system.wait(mix))) == digest(system.video(system.wait(alone)))
    assert difference(painted_frame(system, mix, "000001.jpg"), Image.open(small / "frames" / "000001.jpg")) > 10


def test_painting_that_was_tuned_before_is_painted_like_its_tuned_style(system: RunningSystem, small: Path) -> None:
    """A run, and one that is created from another run; none of them has to tune."""
    numbers, painting = random_style(3), texture(3, (200, 150), (30, 90, 160))
    names = TuningPaths.of(sha256_of(painting), SCORERS["any"].weights_sha256)
    system.storage.runs.create(names.style, tuned_style(numbers))
    for name, data in (("sea.png", painting), ("sea.safetensors", tuned_style(numbers))):
        system.user_storage.input.write(f"small/{name}", data)
    expected = digest(system.video(system.wait(system.start("by-file", input="small", style="sea.safetensors"))))
    assert (
        digest(system.video(system.wait(system.start("tuned", input="small", style="sea.png", tune=True)))) == expected
    )
    plain = system.start("untuned", input="small", style="sea.png")
    assert digest(system.video(system.wait(plain))) != expected
    body = {"which": "all", "options": {"tune": True}}
    answer = requests.post(f"{system.cloud.api}/runs/{plain}/resubmit", json=body, timeout=60)
    assert answer.status_code == 202, answer.text
    assert digest(system.video(system.wait(answer.json()["run_id"]))) == expected
    assert [blob.name for blob in system.storage.runs.list(f"tuned/{names.key}/")] == [names.style]


def test_blank_frames_fail_and_rerun_with_policy_finishes(system: RunningSystem, small: Path) -> None:
    system.user_storage.input.write("small/dull.safetensors", tuned_style([0.0] * (2 * STYLE_CHANNELS + STYLE_KERNELS)))
    first = system.start("dull", input="small", style="dull.safetensors", temporal_smoothing=0)
    failed = system.wait(first)
    assert failed["status"] == "failed"
    assert (failed["code"], failed["next_step"]) == (ErrorCode.INVALID_INPUT, NextStep.RESUBMIT)
    assert "000001.jpg" in failed["reason"]
    assert "bad_frame" in failed["remedy"]

    body = {"which": "all", "options": {"bad_frame": "original", "frames_per_batch": 6}}
    answer = requests.post(f"{system.cloud.api}/runs/{first}/resubmit", json=body, timeout=60)
    assert answer.status_code == 202, answer.text
    second = answer.json()["run_id"]
    assert second != first
    status = system.wait(second)
    system.video(status)
    assert status["parent"] == first
    assert status["batches"]["done"] == 2
    for path in sorted((small / "frames").iterdir()):
        assert difference(painted_frame(system, second, path.name), Image.open(path)) < 3
    run_report = system.report(second)
    assert run_report["bad_frames"]["count"] == FRAMES
    assert run_report["bad_frames"]["done"] == {"original": FRAMES}
    assert run_report["plan"]["frames"] == {"container": "input", "name": "small/frames/"}
    assert "torch" in " ".join(run_report["scoring"]["versions"])
    assert system.wait(first)["status"] == "failed", "the first run is unchanged"


def test_unlisted_program_is_refused(system: RunningSystem, small: Path) -> None:
    for name, program in (("near", "readr"), ("path", "reader.py")):
        status = system.wait(system.start(name, input="small", scorer="script", program=program))
        assert status["status"] == "refused"
        assert repr(program) in status["reason"]
        assert "reader" in status["remedy"]
    assert system.wait(system.start("kind", input="small", scorer="model", program="reader"))["remedy"].endswith(
        "script"
    )
