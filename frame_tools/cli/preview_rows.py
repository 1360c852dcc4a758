"""The rows of a preview: each combination of styles, stroke size and strength, its command, and what it would take."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frame_tools.cli.options import build_trigger, parse_style
from frame_tools.cli.paintings import StyleOptions
from frame_tools.client.progress import clock_text
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import Options
from frame_tools.contracts.preview import MAX_ROWS, PreviewRow, PreviewStyle
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.trigger import Trigger
from frame_tools.costs import model
from frame_tools.costs.estimate import VideoInfo, build_pool
from frame_tools.costs.grouping import run_workload, task_count
from frame_tools.costs.prices import Prices
from frame_tools.costs.throughput import device_throughput, stroke_factor

VM_SIZE: Final = "Standard_NC4as_T4_v3"
NODES: Final = 4
"""The pool of the cost column: the defaults of `estimate`."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One row of the grid."""

    styles: StyleOptions
    fields: Mapping[str, Any]
    """The options of `paint`, as they are written on the command line."""
    trigger: Trigger

    @property
    def name(self) -> str:
        """The styles, for people."""
        return " + ".join(Path(parse_style(text).text).stem for text in self.styles.style or ())

    def command(self, video: Path) -> str:
        """Return the command that paints the video like this."""
        argv = ["impasto", "paint", str(video)]
        for text in self.styles.style or ():
            argv += ["-s", text]
        for name, value in self.fields.items():
            flag = f"--{name.replace('_', '-')}"
            argv += [flag] if value is True else [flag, str(value)]
        return shlex.join(argv)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What painting the whole video would take; None where the scorer's throughput is unknown."""

    stroke_factor: float | None = None
    """How many times as long a frame takes as with the default strokes."""
    local_seconds: float | None = None
    cloud_seconds: float | None = None
    cloud_usd: float | None = None

    @property
    def factor_text(self) -> str:
        """The factor of the strokes, for people: "3.5x"."""
        return "" if self.stroke_factor is None else f"{self.stroke_factor:.1f}x"

    @property
    def text(self) -> str:
        """Time and cost, for people."""
        if self.local_seconds is None or self.cloud_seconds is None or self.cloud_usd is None:
            return "time unknown"
        local_time, cloud_time = clock_text(self.local_seconds), clock_text(self.cloud_seconds)
        return f"{local_time} here; {cloud_time} and ${self.cloud_usd:.2f} in Azure"


def build_looks(
    mixes: Sequence[StyleOptions], strokes: Sequence[str], strengths: Sequence[str], options: Mapping[str, Any]
) -> list[Look]:
    """Return every combination, checked; raises InputError for invalid options and for too many rows."""
    common = {name: value for name, value in options.items() if value is not None}
    # `size` chooses the size of the strokes by itself.
    sizes: Sequence[str | None] = [None] if "size" in common else list(strokes)
    looks = [
        _look(mix, {**common, **({} if size is None else {"strokes": size}), "strength": strength})
        for mix in mixes
        for size in sizes
        for strength in strengths
    ]
    if len(looks) > MAX_ROWS:
        raise InputError(
            f"The preview would have {len(looks)} rows; at most {MAX_ROWS} are allowed",
            "Give fewer styles, --strokes or --strength.",
        )
    return looks


def _look(mix: StyleOptions, fields: Mapping[str, Any]) -> Look:
    names = [parse_style(text).name for text in mix.style or ()]
    trigger = build_trigger({**fields, "style": dict.fromkeys(names, 1.0) if len(names) > 1 else names[0]})
    return Look(styles=mix, fields=fields, trigger=trigger)


def expected(look: Look, info: VideoInfo) -> Expected:
    """Return what the whole video would take on this machine's two cores, and cost on four Spot nodes of Azure."""
    spec, options = SCORERS[look.trigger.scorer], look.trigger.with_default_strokes
    if not spec.has_known_throughput:
        return Expected()
    batches = -(-info.frames // min(look.trigger.frames_per_batch or spec.frames_per_batch, info.frames))
    here, gpu = (
        device_throughput(device, width=info.width, height=info.height, options=options) for device in ("cpu", "gpu")
    )
    prices = Prices()
    work, local = (run_workload(info.frames, throughput, options) for throughput in (gpu, here))
    tasks, local_tasks = (
        task_count(each, options, batches=batches, at_once=at_once) for each, at_once in ((work, NODES), (local, 1))
    )
    pool = build_pool(VM_SIZE, nodes=NODES, spot=True, prices=prices)
    forecast = model.forecast(work, pool, batches=batches, tasks=tasks, prices=prices)
    return Expected(
        stroke_factor=stroke_factor(info.width, info.height, look.trigger),
        local_seconds=local_tasks * local.overhead_seconds + info.frames * here.seconds_per_frame,
        cloud_seconds=forecast.wall_seconds,
        cloud_usd=forecast.cost.total_usd,
    )


def preview_row(look: Look, number: int, video: Path, forecast: Expected) -> PreviewRow:
    """Return the row as the scorer paints it."""
    parsed = [parse_style(text) for text in look.styles.style or ()]
    shown = {name: str(value) for name, value in look.fields.items()}
    label = (f"{number}  {look.name}", *(f"{name} {value}" for name, value in shown.items()), forecast.text)
    return PreviewRow(
        options=Options(**{name: getattr(look.trigger, name) for name in Options.model_fields}),
        styles=tuple(PreviewStyle(path=Path(style.text).resolve(), weight=style.weight or 1.0) for style in parsed),
        label=label,
        caption=look.command(video),
    )
