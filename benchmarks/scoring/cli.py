"""Command line of `python -m benchmarks.scoring`. Heavy imports wait until the command runs."""

import json
import os
from typing import Annotated

import typer

from frame_tools.cli.app import new_app
from frame_tools.cli.errors import report_errors
from scoring.inference.weight_files import weights_folder

DEFAULT_SIZE = "640x360"
FRAMES = 96
"""Frames of a batch, as the planner makes it."""
ROUND_SECONDS = 3.0


app = new_app(no_args_is_help=False)


@app.command()
def bench(
    size: Annotated[
        list[str] | None, typer.Option(help=f"Size of the frames, e.g. 1920x1080; default: {DEFAULT_SIZE}.")
    ] = None,
    device: Annotated[list[str] | None, typer.Option(help="cpu or cuda; default: the GPU if there is one.")] = None,
    frames: Annotated[int, typer.Option(min=2, max=2000, help="Number of frames of the task.")] = FRAMES,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Number of rounds; the results are medians.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, help="Duration of each measurement in a round.")] = ROUND_SECONDS,
    option: Annotated[list[str] | None, typer.Option(help="An option of the run, e.g. temporal_smoothing=0.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure frames per second of the network and of the whole task, and compare them with alternatives.

    --size, --device and --option may be repeated.
    """
    with report_errors():
        from benchmarks.scoring import command

        result = command.bench(
            sizes=size or [DEFAULT_SIZE],
            devices=device or [],
            option_texts=option or [],
            effort=command.Effort(frames=frames, rounds=rounds, seconds=seconds),
            weights=weights_folder(os.environ),
        )
        print(json.dumps(result) if as_json else "\n".join(command.table(result)))
