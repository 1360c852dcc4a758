"""Inputs of an estimate: the probed video, the price of the pool, and the throughput of the scorer.

The video is only probed. Seconds per frame and start-up time come from the command line, from the report of an earlier
run, or from the table in `frame_tools.costs.throughput`.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs import model
from frame_tools.costs.model import Pool
from frame_tools.costs.prices import GPU_HOURS_USD, Prices
from frame_tools.costs.throughput import SPEEDS, Throughput, device_throughput, report_throughput
from frame_tools.media.containers import open_input
from frame_tools.media.probe import select_video_stream


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """Number and size of a video's frames."""

    frames: int
    width: int
    height: int
    is_exact: bool
    """Whether the file lists its frames; if not, `frames` is duration times rate."""


def probe_video(video: Path) -> VideoInfo:
    """Read the number and size of the frames from the file's header; decodes nothing.

    Raises InputError if the file has no supported video or no duration, MissingError if it does not exist.
    """
    if not video.is_file():
        raise MissingError(f"The file {video} does not exist", "Check the path of the video.")
    with open_input(video) as container:
        stream = select_video_stream(container, video.name, video)
        width, height = stream.codec_context.width, stream.codec_context.height
        # MP4 and AVI list their frames; for other formats only duration and rate are known without reading the file.
        listed = len(stream.index_entries) if container.format.name.startswith("mov") else stream.frames
        rate = stream.average_rate or stream.guessed_rate
        seconds = Fraction(container.duration or 0, 1_000_000)
        frames = listed or (math.ceil(seconds * Fraction(rate)) if rate else 0)
    if frames < 1:
        raise InputError(
            f"{video.name} does not contain its duration", "Split it first, or store it as MP4 (ffmpeg -c copy)."
        )
    return VideoInfo(frames=frames, width=width, height=height, is_exact=listed > 0)


def build_pool(
    vm_size: str, *, nodes: int, spot: bool, prices: Prices, evictions_per_hour: float = model.SPOT_EVICTIONS_PER_HOUR
) -> Pool:
    """Describe the pool; raises InputError if the VM size has no price."""
    hour_usd = prices.hour_usd(vm_size, spot=spot)
    if hour_usd is None:
        raise InputError(
            f"There is no price for the VM size {vm_size!r}",
            f'Add it with --prices ({{"vm_hour_usd": {{"{vm_size}": …}}}}), or use one of: {", ".join(GPU_HOURS_USD)}.',
        )
    return Pool(nodes=nodes, hour_usd=hour_usd, evictions_per_hour=evictions_per_hour if spot else 0.0)


def read_prices(path: Path | None) -> Prices:
    """Return the price table with the overrides of a JSON file; raises InputError naming the invalid part."""
    if path is None:
        return Prices()
    try:
        return Prices.parse_input(path.read_bytes(), "price file")
    except OSError as error:
        raise InputError(f"The price file {path} can't be read ({error.strerror})", "Check the path.") from error


def choose_throughput(
    video: VideoInfo,
    *,
    options: Options,
    device: str,
    report: Path | None = None,
    seconds_per_frame: float | None = None,
    start_up_seconds: float | None = None,
) -> Throughput:
    """Return the throughput of the report, or else of the table; explicit figures override both.

    Raises InputError for an unknown device, and for a scorer whose throughput is not in the table.
    """
    scorer = options.scorer
    if not SCORERS[scorer].has_known_throughput and report is None and seconds_per_frame is None:
        raise InputError(
            f"The throughput of the scorer {scorer!r} is unknown: it depends on its program or its number of steps",
            "Use --seconds-per-frame, or --report with the report of an earlier run.",
        )
    if device not in SPEEDS:
        raise InputError(f"Unknown device {device!r}", f"Use one of: {', '.join(SPEEDS)}.")
    if report is not None:
        throughput = report_throughput(report)
    else:
        throughput = device_throughput(device, width=video.width, height=video.height, options=options)
    if seconds_per_frame is None and start_up_seconds is None:
        return throughput
    return replace(
        throughput,
        source=f"from the command line, otherwise {throughput.source}",
        seconds_per_frame=throughput.seconds_per_frame if seconds_per_frame is None else seconds_per_frame,
        start_up_seconds=throughput.start_up_seconds if start_up_seconds is None else start_up_seconds,
    )
