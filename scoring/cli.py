"""The node's command line: `python -m scoring run|split|join|weights|...`. What Batch starts, and what makes weights.

Exit codes are those of `frame_tools.contracts.errors.ExitCode`; an error in words goes to stderr as one line.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from frame_tools.cli.errors import report_errors
from frame_tools.contracts.errors import ExitCode
from frame_tools.telemetry import logs
from scoring.inference.weight_files import weights_folder
from scoring.tasks.base import Task, perform
from scoring.training import cli as training

STARTED = time.monotonic()

app = typer.Typer(
    help="Score batches of frames on a Batch node.",
    epilog="Example: python -m scoring run --run clip-0123456789 --batch 3",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
RunOption = Annotated[str, typer.Option("--run", help="The run's id.")]


def _perform(run: str, step: int | str, work: Callable[[Task], None]) -> None:
    logs.configure_task_logging(sys.stdout, correlation_id=os.environ.get(logs.CORRELATION_ID, run), step=step)
    with report_errors():
        perform(Task.from_environment(os.environ, run, step), work)


@app.command()
def run(run: RunOption, batch: Annotated[int, typer.Option("--batch", min=0, help="The batch's number.")]) -> None:
    """Score one batch of frames."""
    from scoring.tasks.score import score_batch

    _perform(run, batch, lambda task: score_batch(task, weights=weights_folder(os.environ), started=STARTED))


@app.command()
def split(run: RunOption) -> None:
    """Take the run's video apart into frames and sound."""
    from scoring.tasks.split import split_video

    _perform(run, "split", split_video)


@app.command()
def join(run: RunOption) -> None:
    """Join the run's segments and sound into the video."""
    from scoring.tasks.join import join_run

    _perform(run, "join", join_run)


@app.command()
def weights(
    folder: Annotated[Path | None, typer.Option(help="Where to write; default: where tasks look for them.")] = None,
) -> None:
    """Make the weight file out of the published weights (installed from requirements-weights.txt)."""
    from scoring.scorers.any_painting.convert import make_weights

    with report_errors():
        print(make_weights(folder or weights_folder(os.environ)))


training.register(app)


def main() -> None:
    """Run the command line."""
    app(standalone_mode=True)
    raise SystemExit(ExitCode.OK)
