"""Measure the whole chain on a warm local cloud: from the trigger file to the finished video, against painting alone.

    .venv/bin/python -m benchmarks.chain [--frames 250 2000] [--size 640x360 1280x720] [--rounds 3] [--chart FILE]

Frames are uploaded before the clock starts, and one run warms the cloud up. The stages come from the times that the
Batch service and the receipts record, so they add up to the whole. The ratio compares the whole with frames divided by
the rate of the tasks after their start-up; it is what queues, starts and the join cost. Medians of all rounds.
"""

import argparse
import datetime as dt
import io
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from benchmarks.charts import BLUE, GREEN, ORANGE, PURPLE, svg
from benchmarks.latency import first_task_start
from frame_tools.client.api import ApiClient
from frame_tools.client.polling import follow
from frame_tools.client.upload import put_trigger
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Receipt
from frame_tools.contracts.trigger import Trigger
from frame_tools.media.images import encode_jpeg
from frame_tools.storage.deployment import DataStorage, Storage
from local_cloud.accounts import FREE_PORTS
from local_cloud.cloud import Cloud, CloudOptions, running_cloud

Size = tuple[int, int]
WARM_UP_FRAMES: Final = 24
STAGES: Final = ("trigger to task", "start-up", "painting", "receipt to video")
COLORS: Final = (PURPLE, ORANGE, BLUE, GREEN)


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of one run; the painting is that of all its tasks in a row."""

    stages: tuple[float, ...]
    """In the order of STAGES."""
    painting: float

    @property
    def whole(self) -> float:
        """From the trigger file to the finished video."""
        return sum(self.stages)

    @property
    def ratio(self) -> float:
        """The whole as a multiple of painting alone."""
        return self.whole / self.painting


@dataclass(frozen=True, kw_only=True)
class Row:
    """The medians of a clip."""

    frames: int
    size: Size
    stages: tuple[float, ...]
    ratio: float
    rate: float
    """Frames per second of the tasks after their start-up."""

    @property
    def label(self) -> str:
        """What the clip is called."""
        return f"{self.frames} frames of {self.size[0]}x{self.size[1]}"


def frame(index: int, size: Size) -> bytes:
    """Return a frame of moving shapes."""
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    draw = ImageDraw.Draw(image)
    for k in range(30):
        x, y = (k * 97 + index * (1 + k % 5)) % size[0], (k * 61) % size[1]
        draw.ellipse((x, y, x + 30 + k, y + 20 + k), fill=(k * 6 % 256, k * 31 % 256, 255 - k * 5))
    return encode_jpeg(image)


def painting() -> bytes:
    """Return a painting of noise, whose colors the throughput does not depend on."""
    out = io.BytesIO()
    Image.effect_noise((512, 384), 80).convert("RGB").save(out, "PNG")
    return out.getvalue()


def upload(storage: Storage, name: str, frames: int, size: Size) -> None:
    """Upload numbered frames, their manifest and a painting."""
    manifest = Manifest.plain(frames, Fraction(30), width=size[0], height=size[1], source=f"{name}.mp4")
    for index in range(frames):
        storage.input.write(f"{name}/frames/{manifest.frame_name(index)}", frame(index, size))
    storage.input.write(f"{name}/manifest.json", manifest.dumps())
    storage.input.write(f"{name}/style.png", painting())


def measure(cloud: Cloud, storage: Storage, *, folder: str, name: str) -> Times:
    """Paint the uploaded frames once; return the times of the run."""
    trigger = Trigger.model_validate({"scorer": "any", "style": "style.png", "input": folder})
    began = dt.datetime.now(dt.UTC)
    run_id = put_trigger(DataStorage.from_environment(cloud.settings), name=name, trigger=trigger)
    for status in follow(ApiClient(url=cloud.api), run_id, pause=0.1):
        if status["status"] not in ("finished", "failed", "refused", "cancelled"):
            continue
        if status["status"] != "finished":
            raise SystemExit(f"{name} is {status['status']}: {status['reason']}")
    ended = dt.datetime.now(dt.UTC)
    receipts = [
        Receipt.load_stored(storage.runs.need(item.name).data) for item in storage.runs.list(RunPaths(run_id).receipts)
    ]
    return times_of(began, first_task_start(cloud, run_id), receipts, ended)


def times_of(began: dt.datetime, started: dt.datetime, receipts: Sequence[Receipt], ended: dt.datetime) -> Times:
    """Divide the time of a run on one node into stages that follow each other."""
    start_up = sum(receipt.times.start_up for receipt in receipts)
    painted = max(dt.datetime.fromisoformat(receipt.finished_at) for receipt in receipts)
    stages = (
        (started - began).total_seconds(),
        start_up,
        (painted - started).total_seconds() - start_up,
        (ended - painted).total_seconds(),
    )
    return Times(stages=stages, painting=sum(each.times.total - each.times.start_up for each in receipts))


def median_row(frames: int, size: Size, rounds: Sequence[Times]) -> Row:
    """Return the medians of several rounds."""
    return Row(
        frames=frames,
        size=size,
        stages=tuple(statistics.median(column) for column in zip(*(each.stages for each in rounds), strict=True)),
        ratio=statistics.median(each.ratio for each in rounds),
        rate=frames / statistics.median(each.painting for each in rounds),
    )


def chart(rows: Sequence[Row]) -> str:
    """Return a chart of the stages of each clip, as SVG."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, row in enumerate(reversed(rows)):
            left = 0.0
            for stage, seconds, color in zip(STAGES, row.stages, COLORS, strict=True):
                axes.barh(place, seconds, left=left, color=color, height=0.6, label=stage if place == 0 else None)
                left += seconds
            axes.annotate(
                f"{row.ratio:.2f} × painting", (left, place), xytext=(6, 0), textcoords="offset points", va="center"
            )
        axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)])
        axes.set_xlabel("seconds from the trigger file to the finished video")
        axes.margins(x=0.18)
        figure.legend(loc="outside upper left", ncols=len(STAGES))

    description = "; ".join(f"{row.label}: {sum(row.stages):.1f} s, {row.ratio:.2f} times painting" for row in rows)
    return svg(draw, height_inches=1.1 + 0.45 * len(rows), description=description)


def table(rows: Sequence[Row]) -> str:
    """Return the medians as text."""
    lines = [f"{'':28}" + "".join(f"{stage:>19}" for stage in (*STAGES, "whole, s", "frames/s", "ratio"))]
    for row in rows:
        values = (*row.stages, sum(row.stages), row.rate, row.ratio)
        lines.append(f"{row.label:28}" + "".join(f"{value:>19.2f}" for value in values))
    return "\n".join(lines)


def parse_size(text: str) -> Size:
    """Parse WIDTHxHEIGHT."""
    width, _, height = text.partition("x")
    return int(width), int(height)


def main() -> None:
    """Measure, print the table, and write the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[250, 2000])
    parser.add_argument("--size", type=parse_size, nargs="+", default=[(640, 360), (1280, 720)])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chart", type=Path, help="SVG file for the chart")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        running_cloud(CloudOptions(folder=Path(folder), ports=FREE_PORTS, in_memory=True)) as cloud,
    ):
        storage = Storage.from_environment(cloud.settings)
        storage.ensure()
        upload(storage, "warm-up", WARM_UP_FRAMES, (640, 360))
        measure(cloud, storage, folder="warm-up", name="warm-up-run")
        for size in arguments.size:
            for frames in arguments.frames:
                name = f"clip-{frames}-{size[0]}x{size[1]}"
                upload(storage, name, frames, size)
                rounds = [
                    measure(cloud, storage, folder=name, name=f"{name}-{number}") for number in range(arguments.rounds)
                ]
                rows.append(median_row(frames, size, rounds))
                print(table(rows[-1:]), flush=True)
    print(table(rows))
    if arguments.chart:
        arguments.chart.write_text(chart(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
