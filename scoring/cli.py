"""Command line of the node: `python -m scoring run|split|join|paint-preview|...`, as Batch starts it.

Exit codes are those of `frame_tools.contracts.errors.ExitCode`; an expected error is one line on stderr.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from frame_tools.cli.app import new_app
from frame_tools.cli.errors import report_errors
from frame_tools.contracts.errors import ExitCode, InputError
from frame_tools.contracts.ids import BatchRange, task_name
from frame_tools.telemetry import logs
from scoring.inference.weight_files import weights_folder
from scoring.process_start import process_start
from scoring.tasks.base import Task, perform
from scoring.tasks.batches import perform_batches
from scoring.training import commands as training

# Before torch is imported: its threads must not spin while they wait for each other. On cores that have other work as
# well, a tuning takes a multiple of the time otherwise.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = new_app(
    help="Score batches of frames on a Batch node.",
    epilog="Example: python -m scoring run --run clip-0123456789 --batch 3",
)
RunOption = Annotated[str, typer.Option("--run", help="ID of the run.")]


def _perform(run: str, step: str, work: Callable[[Task], None]) -> None:
    logs.configure_task_logging(sys.stdout, correlation_id=os.environ.get(logs.CORRELATION_ID, run), step=step)
    with report_errors():
        perform(Task.from_environment(os.environ, run, step), work)


@app.command()
def run(
    run: RunOption,
    batch: Annotated[int, typer.Option("--batch", min=0, help="Number of the first batch.")],
    last: Annotated[int | None, typer.Option("--last", min=0, help="Number of the last batch; default: one.")] = None,
) -> None:
    """Score neighboring batches of frames."""
    from scoring.tasks.score import open_scoring

    batches = BatchRange(batch, batch if last is None else last)
    correlation_id = os.environ.get(logs.CORRELATION_ID, run)
    logs.configure_task_logging(sys.stdout, correlation_id=correlation_id, step=task_name(batches))
    with report_errors():
        if batches.last < batches.first:
            raise InputError(f"--last {last} is before --batch {batch}", "Give the last batch of the range")
        task = Task.from_environment(os.environ, run, batch)
        weights, started = weights_folder(os.environ), process_start()
        perform_batches(task, batches, lambda: open_scoring(task, weights=weights, started=started))


@app.command()
def split(run: RunOption) -> None:
    """Split the run's video into frames and audio."""
    from scoring.tasks.split import split_video

    _perform(run, "split", split_video)


@app.command()
def join(run: RunOption) -> None:
    """Join the run's segments and audio into the video."""
    from scoring.tasks.join import join_run

    _perform(run, "join", join_run)


@app.command("try")
def try_(
    request: Annotated[Path, typer.Argument(help="The request, a JSON file that `impasto scorer try` wrote.")],
) -> None:
    """Run a program on the first frames of a video and print what it took as JSON."""
    from frame_tools.contracts.trial import TrialRequest
    from scoring.workshop.trial import try_program

    with report_errors():
        print(try_program(TrialRequest.parse_input(request.read_bytes(), "trial request")).model_dump_json())


@app.command()
def preview(
    request: Annotated[Path, typer.Argument(help="The request, a JSON file that `impasto preview` wrote.")],
) -> None:
    """Paint a few frames of a video in several looks on one sheet, and print the times as JSON.

    A line before that says how many rows the sheet has, whenever it is written.
    """
    from frame_tools.contracts.preview import PreviewProgress, PreviewRequest
    from scoring.preview.command import paint_preview

    with report_errors():
        asked = PreviewRequest.parse_input(request.read_bytes(), "preview request")

        def report(rows: int) -> None:
            print(PreviewProgress(rows=rows).model_dump_json(), flush=True)

        print(paint_preview(asked, weights_folder(os.environ), report).model_dump_json())


@app.command("paint-preview")
def paint_preview_(
    preview: Annotated[str, typer.Option("--preview", help="ID of the preview.")],
    attempt: Annotated[int, typer.Option("--attempt", min=1, help="Number of the attempt.")] = 1,
) -> None:
    """Paint a preview that was ordered from the app."""
    from frame_tools.contracts.preview_paths import check_preview_id
    from frame_tools.storage.deployment import Storage
    from scoring.preview.task import PreviewTask, perform_preview

    logs.configure_task_logging(sys.stdout, correlation_id=preview, step="preview")
    with report_errors():
        storage = Storage.from_environment(os.environ)
        task = PreviewTask(storage=storage, preview_id=check_preview_id(preview), attempt=attempt)
        perform_preview(task, weights_folder(os.environ), started=process_start())


@app.command()
def weights(
    folder: Annotated[Path | None, typer.Option(help="Output folder; default: where tasks look for weights.")] = None,
) -> None:
    """Convert the published weights (installed from requirements-weights.txt) to the scorer's weight file."""
    from scoring.scorers.any_painting.convert import make_weights

    with report_errors():
        print(make_weights(folder or weights_folder(os.environ)))


training.register(app)


def main() -> None:
    """Run the command line."""
    app(standalone_mode=True)
    raise SystemExit(ExitCode.OK)
