"""How much of the network's own rate does a whole scoring task keep? Both are measured in one run, in turns.

    .venv-scoring/bin/python -m benchmarks.scoring [--frames 96] [--rounds 5] [--size 640x360] [--json]

The network alone: the scorer called on decoded frames in memory, two calls in flight as in a task. The task: all that
`python -m scoring run` does after start-up, that is, read, decode, score, encode JPEG and H.264, hash, write, receipt.
Blobs are in memory, so that the figure is the task's own and not Azurite's, which would compete for the same cores.
"""

import argparse
import io
import json
import os
import platform
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.memory_storage import MemoryContainer, memory_storage
from frame_tools import manifest as manifests
from frame_tools import names
from frame_tools.blobs import sha256_of
from frame_tools.manifest import Manifest
from frame_tools.media.images import jpeg
from frame_tools.plan import BlobRef, Plan, Style
from frame_tools.receipt import Receipt
from frame_tools.scorers import SCORERS
from frame_tools.storage import Storage
from frame_tools.trigger import Options
from scoring import registry
from scoring.batch import score_batch
from scoring.protocol import Score, Scorer
from scoring.task import Task
from scoring.weight_files import weights_folder

RUN = "bench-0000000000"


def picture(index: int, width: int, height: int) -> Image.Image:
    """Draw a frame with gradients, edges and motion."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    for k in range(40):
        x, y = (k * 97 + index * (1 + k % 5)) % width, (k * 61) % height
        draw.ellipse((x, y, x + 30 + k, y + 20 + k), fill=(k * 6 % 256, k * 31 % 256, 255 - k * 5))
    return image


def prepare(frames: int, width: int, height: int) -> Storage:
    """Fill a storage with a planned run of one batch."""
    storage = memory_storage()
    manifest = Manifest.plain(frames, Fraction(30), width=width, height=height)
    for index in range(frames):
        storage.input.write(f"bench/frames/{manifest.frame_name(index)}", jpeg(picture(index, width, height)))
    painting = io.BytesIO()
    Image.effect_noise((256, 256), 80).convert("RGB").save(painting, "PNG")
    style = painting.getvalue()
    storage.work.write("style", style)
    data = manifests.dumps(manifest)
    storage.runs.write(names.manifest(RUN), data)
    plan = Plan(
        run_id=RUN,
        name="bench",
        correlation_id=RUN,
        options=Options(scorer="any"),
        borders=(0, frames),
        manifest_sha256=sha256_of(data),
        frames=BlobRef(container="input", name="bench/frames/"),
        style=Style(blob=BlobRef(container="work", name="style"), sha256=sha256_of(style), width=256, height=256),
        weights_sha256=SCORERS["any"].weights_sha256,
        container="mp4",
    )
    storage.runs.write(names.plan(RUN), plan.dumps())
    return storage


def network_rate(scorer: Scorer, score: Score, pictures: list[Any], seconds: float) -> float:
    """Frames a second of the network alone, two calls in flight."""
    size = scorer.frames_per_forward
    stack = np.stack([pictures[i % len(pictures)] for i in range(size)])
    with ThreadPoolExecutor(2) as pool:
        start, done = time.perf_counter(), 0
        flying = [pool.submit(score, stack), pool.submit(score, stack)]
        while time.perf_counter() - start < seconds:
            flying.pop(0).result()
            done += size
            flying.append(pool.submit(score, stack))
        for last in flying:
            last.result()
            done += size
        return done / (time.perf_counter() - start)


def task_rates(storage: Storage, weights: Path, frames: int) -> tuple[float, float]:
    """Frames a second of a task without and with its start-up in this process."""
    cast(MemoryContainer, storage.runs).blobs.pop(names.receipt(RUN, 0), None)
    started = time.monotonic()
    score_batch(Task(storage=storage, run_id=RUN, step=0, task_id="bench"), weights=weights, started=started)
    times = Receipt.loads(storage.runs.need(names.receipt(RUN, 0)).data, "receipt").times
    return frames / (times.total - times.start_up), frames / times.total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    weights = weights_folder(os.environ)
    storage = prepare(arguments.frames, width, height)
    scorer = registry.load("any", weights)
    pictures = [np.asarray(picture(i, width, height)) for i in range(8)]
    score = scorer.prepare(scorer.style_vector(np.array(pictures[0])))
    network_rate(scorer, score, pictures, 1.0)
    rows = []
    for _ in range(arguments.rounds):
        before = network_rate(scorer, score, pictures, 3.0)
        task, whole = task_rates(storage, weights, arguments.frames)
        after = network_rate(scorer, score, pictures, 3.0)
        rows.append((task / ((before + after) / 2), (before + after) / 2, task, whole))
    ratio, model, task, whole = (statistics.median(column) for column in zip(*rows, strict=True))
    result = {
        "size": arguments.size,
        "frames": arguments.frames,
        "rounds": arguments.rounds,
        "cores": os.cpu_count(),
        "machine": platform.processor() or platform.machine(),
        "device": scorer.device,
        "model_fps": round(model, 2),
        "task_fps": round(task, 2),
        "task_with_loading_fps": round(whole, 2),
        "ratio": round(ratio, 3),
        "ratios": [round(row[0], 3) for row in rows],
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{k:22} {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
