"""The command `estimate`: what a run would take and cost, before anything is paid for."""

from pathlib import Path
from typing import Annotated, Any

import typer

from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import Grouped, takes


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    example = "Example: python -m frame_tools estimate holiday.mp4 --nodes 4 --spot --chart cost.svg"
    app.command(cls=Grouped, epilog=example)(estimate)


@takes("scorer", "frames_per_batch")
def estimate(
    video: Annotated[Path, typer.Argument(help="A video file; it is only probed.")],
    nodes: Annotated[int, typer.Option(min=1, help="Nodes with one GPU each, at most.")] = 4,
    vm_size: Annotated[str, typer.Option(help="VM size of the nodes.")] = "Standard_NC4as_T4_v3",
    spot: Annotated[bool, typer.Option("--spot/--dedicated", help="What kind of nodes.")] = True,
    evictions: Annotated[float, typer.Option(min=0, help="Evictions of a Spot node an hour, a guess.")] = 0.05,
    device: Annotated[str, typer.Option(help="Row of the table of speeds: gpu (a guess) or cpu (measured).")] = "gpu",
    seconds_per_frame: Annotated[float | None, typer.Option(min=0, help="In place of the table's.")] = None,
    start_up: Annotated[float | None, typer.Option(min=0, help="Seconds of a task's start, likewise.")] = None,
    report: Annotated[Path | None, typer.Option(help="report.json of a run with frames of this size.")] = None,
    prices: Annotated[Path | None, typer.Option(help="JSON file laid over the price table.")] = None,
    hour_worth: Annotated[float, typer.Option(min=0, help="US dollars that an hour of waiting is worth.")] = 2.0,
    chart: Annotated[Path | None, typer.Option(help="Also draw the curve: an SVG file.")] = None,
    **words: Any,
) -> None:
    """Say what a run would take and cost, and which batch size is best. A model: see docs/cost.md."""
    from frame_tools.costs.estimate import EstimateOptions
    from frame_tools.costs.estimate import estimate as say

    with report_errors():
        wishes = EstimateOptions(
            nodes=nodes, vm_size=vm_size, spot=spot, evictions_per_hour=evictions, device=device,
            scorer=words["scorer"] or "any", frames_per_batch=words["frames_per_batch"],
            seconds_per_frame=seconds_per_frame, start_up_seconds=start_up, report=report, prices=prices,
            hour_worth_usd=hour_worth, chart=chart,
        )  # fmt: skip
        typer.echo(say(video, wishes))
