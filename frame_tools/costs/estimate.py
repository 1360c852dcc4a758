"""What a run of a video would take and cost, said before anything is paid for: `python -m frame_tools estimate`.

The video is only probed. Seconds per frame and start-up come from the person, from the report of an earlier run, or
from the table in `frame_tools.costs.throughput`.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs import model
from frame_tools.costs.chart import Panel, chart
from frame_tools.costs.model import Forecast, Pool, Work
from frame_tools.costs.prices import GPU_HOURS_USD, Prices
from frame_tools.costs.throughput import SPEEDS, Throughput, pace_of_device, pace_of_report
from frame_tools.media.containers import open_input
from frame_tools.media.files import write_atomically
from frame_tools.media.probe import select_video_stream


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What probing says of a video; the count may be an estimate by length and rate."""

    frames: int
    width: int
    height: int
    counted: bool
    """Whether the file itself lists its frames."""


def probe(video: Path) -> Probed:
    """Read frame count and size from the file's head; decodes nothing.

    Raises InputError if there is no video we could paint or its length is not said, MissingError if it is not there.
    """
    if not video.is_file():
        raise MissingError(f"There is no file {video}", "Name a video file")
    with open_input(video) as container:
        stream = select_video_stream(container, video.name)
        width, height = stream.codec_context.width, stream.codec_context.height
        # MP4 and AVI list their frames; elsewhere length times rate is all that is to be had without reading the file.
        counted = len(stream.index_entries) if container.format.name.startswith("mov") else stream.frames
        rate = stream.average_rate or stream.guessed_rate
        seconds = Fraction(container.duration or 0, 1_000_000)
        frames = counted or (math.ceil(seconds * Fraction(rate)) if rate else 0)
    if frames < 1:
        raise InputError(
            f"{video.name} does not say how long it is", "Split it first, or store it as MP4 (ffmpeg -c copy)"
        )
    return Probed(frames=frames, width=width, height=height, counted=counted > 0)


def pool_of(
    vm_size: str, *, nodes: int, spot: bool, prices: Prices, evictions_per_hour: float = model.SPOT_EVICTIONS_PER_HOUR
) -> Pool:
    """Describe the pool; raises InputError for a size without a price."""
    hour_usd = prices.hour_usd(vm_size, spot=spot)
    if hour_usd is None:
        raise InputError(
            f"There is no price for the VM size {vm_size!r}",
            f'Add it with --prices ({{"vm_hour_usd": {{"{vm_size}": …}}}}), or take one of: {", ".join(GPU_HOURS_USD)}',
        )
    return Pool(nodes=nodes, hour_usd=hour_usd, evictions_per_hour=evictions_per_hour if spot else 0.0)


@dataclass(frozen=True, kw_only=True)
class EstimateOptions:
    """What the person says beside the video; None where the table's or the scorer's default holds."""

    nodes: int
    vm_size: str
    spot: bool
    evictions_per_hour: float
    device: str
    scorer: str
    frames_per_batch: int | None
    seconds_per_frame: float | None
    start_up_seconds: float | None
    report: Path | None
    prices: Path | None
    hour_worth_usd: float
    chart: Path | None


def estimate(video: Path, wishes: EstimateOptions) -> str:
    """Return the table and what it rests on, and draw the curve if wished. Raises ImpastoError in words."""
    probed, prices = probe(video), read_prices(wishes.prices)
    pace = _pace(probed, wishes)
    work = Work(frames=probed.frames, seconds_per_frame=pace.seconds_per_frame, start_up_seconds=pace.start_up_seconds)
    pool = pool_of(
        wishes.vm_size,
        nodes=wishes.nodes,
        spot=wishes.spot,
        prices=prices,
        evictions_per_hour=wishes.evictions_per_hour,
    )
    asked = min(max(wishes.frames_per_batch or SCORERS[wishes.scorer].frames_per_batch, 1), probed.frames)
    planned = model.forecast(work, pool, batches=math.ceil(probed.frames / asked), prices=prices)
    best = model.best(work, pool, prices=prices, hour_worth_usd=wishes.hour_worth_usd)
    kind = "Spot" if wishes.spot else "dedicated"
    story = f"{wishes.nodes} {kind} {wishes.vm_size}, {probed.frames} frames of {probed.width}x{probed.height}"
    if wishes.chart is not None:
        forecasts = list(model.curve(work, pool, prices=prices))
        panel = Panel(title=video.name, story=story, forecasts=forecasts, best=best)
        write_atomically(wishes.chart, chart([panel]).encode())
    notes = [
        f"{story}{'' if probed.counted else ' (counted by length and rate)'}.",
        f"Pace: {pace.seconds_per_frame:.4f} s a frame, {pace.start_up_seconds:.1f} s a task's start; {pace.source}.",
        f"Prices: {prices.as_of}. A model, with boot and idle time of nodes guessed: see docs/cost.md.",
    ]
    return "\n".join([_table(rows(work, planned, best)), "", *notes])


def read_prices(path: Path | None) -> Prices:
    """Read a price document laid over the table; raises InputError that names what is wrong."""
    if path is None:
        return Prices()
    try:
        return Prices.parse_input(path.read_bytes(), "price file")
    except OSError as error:
        raise InputError(f"The price file {path} can't be read ({error.strerror})", "Check its name") from error


def _pace(probed: Probed, wishes: EstimateOptions) -> Throughput:
    """Take the pace from the report, else the table; what the person says stands above both."""
    if wishes.scorer not in SCORERS:
        raise InputError(f"There is no scorer {wishes.scorer[:40]!r}", f"Take one of: {', '.join(SCORERS)}")
    if not SCORERS[wishes.scorer].has_known_throughput and wishes.report is None and wishes.seconds_per_frame is None:
        raise InputError(
            f"How long the scorer {wishes.scorer!r} takes stands in no table: it depends on the program or its steps",
            "Give --seconds-per-frame, or --report of an earlier run",
        )
    if wishes.device not in SPEEDS:
        raise InputError(f"There is no speed for the device {wishes.device!r}", f"Take one of: {', '.join(SPEEDS)}")
    known = (
        pace_of_report(wishes.report)
        if wishes.report
        else pace_of_device(wishes.device, width=probed.width, height=probed.height)
    )
    if wishes.seconds_per_frame is None and wishes.start_up_seconds is None:
        return known
    frame = known.seconds_per_frame if wishes.seconds_per_frame is None else wishes.seconds_per_frame
    start = known.start_up_seconds if wishes.start_up_seconds is None else wishes.start_up_seconds
    return Throughput(seconds_per_frame=frame, start_up_seconds=start, source=f"as you said; else {known.source}")


def _table(lines: list[tuple[str, str, str]]) -> str:
    head = ("", "as asked", "best")
    return "\n".join(f"{what:<26}{asked:>14}{best:>14}" for what, asked, best in (head, *lines))


def rows(work: Work, planned: Forecast, best: Forecast) -> list[tuple[str, str, str]]:
    """Return the table: what, as asked for, at the best batch size."""

    def line(what: str, form: str, *names: str) -> tuple[str, str, str]:
        def read(one: Forecast) -> float:
            value: Any = one
            for name in names:
                value = getattr(value, name)
            return float(value)

        return what, form.format(read(planned)), form.format(read(best))

    return [
        ("frames", str(work.frames), str(work.frames)),
        line("frames per batch", "{:.0f}", "frames_per_batch"),
        line("batches", "{:.0f}", "batches"),
        ("wall time", _clock(planned.wall_seconds), _clock(best.wall_seconds)),
        line("node-seconds", "{:.0f}", "node_seconds"),
        line("of them lost by evictions", "{:.1f}", "lost_seconds"),
        line("nodes, USD", "{:.4f}", "sums", "nodes_usd"),
        line("blob operations, USD", "{:.4f}", "sums", "storage_usd"),
        line("function calls, USD", "{:.4f}", "sums", "functions_usd"),
        line("together, USD", "{:.4f}", "sums", "total_usd"),
    ]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
