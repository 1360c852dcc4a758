"""The command `estimate`: duration and cost of a run before it starts."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from frame_tools.cli.derived import Compare, Gif, Webp, derived_files
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import (
    PAINTING,
    SPLITTING,
    Arguments,
    KeyStyles,
    MaskPath,
    Name,
    Output,
    Overwrite,
    Styles,
    build_options,
    schema_options,
)

if TYPE_CHECKING:
    from frame_tools.contracts.options import Options
    from frame_tools.costs.model import Forecast

NO_PROGRAM: Final = "unnamed"
"""Stands for the program of a scorer that needs one: its name does not change an estimate."""
_ROWS: Final[tuple[tuple[str, "Callable[[Forecast], str]"], ...]] = (
    ("frames per batch", lambda forecast: f"{forecast.frames_per_batch}"),
    ("batches", lambda forecast: f"{forecast.batches}"),
    ("tasks", lambda forecast: f"{forecast.tasks}"),
    ("wall time", lambda forecast: _format_time(forecast.wall_seconds)),
    ("node-seconds", lambda forecast: f"{forecast.node_seconds:.0f}"),
    ("lost to evictions", lambda forecast: f"{forecast.lost_seconds:.1f}"),
    ("nodes, USD", lambda forecast: f"{forecast.cost.nodes_usd:.4f}"),
    ("blob operations, USD", lambda forecast: f"{forecast.cost.storage_usd:.4f}"),
    ("function calls, USD", lambda forecast: f"{forecast.cost.functions_usd:.4f}"),
    ("total, USD", lambda forecast: f"{forecast.cost.total_usd:.4f}"),
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(epilog="Example: impasto estimate holiday.mp4 --nodes 4 --spot")(estimate)


@schema_options(*PAINTING, "label", *SPLITTING)
def estimate(
    video: Annotated[Path, typer.Argument(help="A video file; only its header is read.")],
    nodes: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Maximum number of nodes, each with one GPU.")] = 4,
    vm_size: Annotated[str, typer.Option(metavar="SIZE", help="VM size of the nodes.")] = "Standard_NC4as_T4_v3",
    spot: Annotated[bool, typer.Option("--spot/--dedicated", help="Kind of nodes.")] = True,
    evictions: Annotated[
        float, typer.Option(min=0, metavar="RATE", help="Evictions per hour of a Spot node; a guess.")
    ] = 0.05,
    device: Annotated[
        str, typer.Option(metavar="gpu | cpu", help="Row of the throughput table: gpu (a guess) or cpu (measured).")
    ] = "gpu",
    seconds_per_frame: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Overrides the table.")
    ] = None,
    start_up: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Start-up seconds per task; overrides the table.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="report.json of a run with the same frame size.")] = None,
    prices: Annotated[Path | None, typer.Option(help="JSON file that overrides parts of the price table.")] = None,
    hour_worth: Annotated[
        float, typer.Option(min=0, metavar="USD", help="Value of an hour of waiting, in US dollars.")
    ] = 2.0,
    style: Styles = None,
    key_style: KeyStyles = None,
    mask: MaskPath = None,
    arguments: Arguments = None,
    out: Output = None,
    overwrite: Overwrite = False,
    name: Name = None,
    compare: Compare = None,
    gif: Gif = False,
    webp: Webp = False,
    **options: Any,
) -> None:
    """Estimate duration and cost of a run and find the best batch size. A model: see docs/cost.md.

    It takes the painting options of `paint` and checks them as `paint` does. The scorer, the size and the strokes
    change the estimate: fine strokes take longer. Blob operations are those of a run whose tasks decode the video.
    """
    from frame_tools.cli.paintings import StyleOptions, build_painting
    from frame_tools.contracts.scorers import SCORERS
    from frame_tools.contracts.tuning import paintings_to_tune
    from frame_tools.contracts.working_size import working_size
    from frame_tools.costs import model
    from frame_tools.costs.estimate import build_pool, choose_throughput, probe_video, read_prices
    from frame_tools.costs.grouping import run_workload, task_count
    from frame_tools.costs.throughput import device_throughput, tuning_seconds

    with report_errors():
        info, price_table = probe_video(video), read_prices(prices)
        painting = _painting_options({option: value for option, value in options.items() if option in PAINTING})
        scorer = painting.scorer
        tuned = int(painting.tune)
        if style or key_style:
            described = build_painting(
                video, out, StyleOptions(style=style, key_style=key_style, mask=mask, arguments=arguments), options,
                name=name, overwrite=overwrite or out is None, derived=derived_files(compare, gif=gif, webp=webp),
            )  # fmt: skip
            tuned *= len(paintings_to_tune(described.trigger.style_files))
        throughput = choose_throughput(
            info, options=painting, device=device, report=report,
            seconds_per_frame=seconds_per_frame, start_up_seconds=start_up,
        )  # fmt: skip
        pool = build_pool(vm_size, nodes=nodes, spot=spot, prices=price_table, evictions_per_hour=evictions)
        work = replace(
            run_workload(info.frames, throughput, painting),
            blobs_per_frame=int(painting.keep_frames is True),
            tuning_seconds=tuning_seconds(device, tuned),
        )
        requested = painting.frames_per_batch or SCORERS[scorer].frames_per_batch
        batches = math.ceil(info.frames / min(max(requested, 1), info.frames))
        tasks = task_count(work, painting, batches=batches, at_once=nodes)
        planned = model.forecast(work, pool, batches=batches, tasks=tasks, prices=price_table)
        best = model.best(work, pool, prices=price_table, hour_worth_usd=hour_worth)
        size = "{}x{}".format(*working_size(info.width, info.height, painting))
        local = device_throughput("cpu", width=info.width, height=info.height, options=painting)
    console = Console(highlight=False)
    console.print(_table(info.frames, planned, best))
    kind = "Spot" if spot else "dedicated"
    source = "" if info.is_exact else " (computed from duration and rate)"
    figures = f"{throughput.seconds_per_frame:.4f} s per frame, {throughput.start_up_seconds:.1f} s per start-up"
    notes = [
        f"{nodes} {kind} {vm_size}, {info.frames} frames of {info.width}x{info.height}{source}, painted at {size}.",
        f"Throughput: {figures}; {throughput.source}.",
        f"Prices: {price_table.as_of}. A model; boot and idle times of nodes are guesses: see docs/cost.md.",
    ]
    if SCORERS[scorer].has_known_throughput:
        local_work = run_workload(info.frames, local, painting)
        local_tasks = task_count(local_work, painting, batches=batches, at_once=1)
        local_seconds = local_tasks * local_work.overhead_seconds + info.frames * local.seconds_per_frame
        local_seconds += tuning_seconds("cpu", tuned)
        notes.insert(0, f"In a local cloud on 2 cores: about {_format_time(local_seconds)}, without cost.")
    if tuned:
        local_time, node_time = (_format_time(tuning_seconds(each, tuned)) for each in ("cpu", device))
        count = "the painting" if tuned == 1 else f"{tuned} paintings"
        notes.append(
            f"Of this, tuning to {count} takes {node_time} of each node ({local_time} on 2 cores), once; nothing if it"
            " was tuned before."
        )
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)


def _painting_options(options: Mapping[str, Any]) -> "Options":
    """Return the options that a plan would have; an estimate needs no program."""
    program = options["program"] or (NO_PROGRAM if options["scorer"] in ("model", "script") else None)
    return build_options({**options, "program": program}).with_default_strokes


def _table(frames: int, planned: "Forecast", best: "Forecast") -> Table:
    table = Table("", box=None, pad_edge=False)
    table.add_column("requested", justify="right")
    table.add_column("best", justify="right")
    table.add_row("frames", str(frames), str(frames))
    for label, format_value in _ROWS:
        table.add_row(label, format_value(planned), format_value(best))
    table.add_row()
    return table


def _format_time(seconds: float) -> str:
    """Return h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
