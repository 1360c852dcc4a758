"""The commands `scorer try` and so on: a workshop for programs of one's own, without a cloud."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from frame_tools.cli import scorer_list
from frame_tools.cli.app import new_app
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import Arguments, Json, parse_arguments
from frame_tools.cli.program_options import Files, FramesPerCall, Precision, PrecisionChoice, Scale
from frame_tools.cli.programs import run_scorer
from frame_tools.client.programs import call_fields, named_files
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.trial import MAX_TRIAL_FRAMES, TrialRequest, TrialResult
from frame_tools.costs.throughput import delivery_seconds

WATCH_SECONDS: Final = 0.5
SUFFIXES: Final = (".jpg", ".jpeg", ".png")
app = new_app(
    help="Try a scorer of your own, and let runs use it.",
    epilog="Example: impasto scorer try posterize.py holiday.mp4 -n 8",
)


def add_to(parent: typer.Typer) -> None:
    """Register the commands below `scorer`."""
    parent.add_typer(app, name="scorer", rich_help_panel="This machine")
    scorer_list.add_to(app)


@app.callback()
def scorer() -> None:
    """Try a scorer of your own, a Python file or a model, and let runs use it: see docs/scorers.md."""


@app.command("try", epilog="Example: impasto scorer try posterize.py holiday.mp4 -n 8 --set levels=4 --watch")
def try_(
    program: Annotated[Path, typer.Argument(help="The program: .py, .pt (TorchScript) or .pt2 (exported).")],
    video: Annotated[Path, typer.Argument(help="A video; its first frames are used.")],
    frames: Annotated[int, typer.Option("--frames", "-n", min=1, max=MAX_TRIAL_FRAMES, help="Number of frames.")] = 8,
    arguments: Arguments = None,
    seed: Annotated[int, typer.Option(min=0, help="The run's seed.")] = 0,
    files: Files = None,
    scale: Scale = 1,
    frames_per_call: FramesPerCall = None,
    precision: Precision = PrecisionChoice.float32,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The sheet: .jpg or .png. Default: PROGRAM_try.jpg beside it.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Run again whenever the program is saved, until Ctrl-C.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a program on a few frames with a node's checks and messages; shows its time and memory, and a sheet."""
    with report_errors():
        named = named_files(files or [])
        for path, what in ((program, "program"), (video, "video"), *((path, "file") for path in named.values())):
            if not path.is_file():
                raise MissingError(f"The {what} {path} does not exist", "Check the path.")
        sheet = out or program.with_name(f"{program.stem}_try.jpg")
        if sheet.suffix.lower() not in SUFFIXES:
            raise InputError(
                f"The sheet {sheet.name!r} is no picture", f"Use a name that ends with {', '.join(SUFFIXES)}."
            )
        request = TrialRequest(
            program=program.resolve(),
            video=video.resolve(),
            frames=frames,
            arguments=parse_arguments(arguments) or {},
            seed=seed,
            out=sheet.resolve(),
            files={name: path.resolve() for name, path in named.items()},
            **call_fields(scale=scale, frames_per_call=frames_per_call, precision=precision.value),
        )
        if not watch:
            _try_once(request, json=json)
            return
    _watch(request, json=json)


def _watch(request: TrialRequest, *, json: bool) -> None:
    """Try the program again after each change of its file, until Ctrl-C; its errors do not end this."""
    try:
        while True:
            saved_at = request.program.stat().st_mtime_ns
            try:
                _try_once(request, json=json)
            except typer.Exit:
                typer.echo("Waiting for a change …", err=True)
            while not request.program.is_file() or request.program.stat().st_mtime_ns == saved_at:
                time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _try_once(request: TrialRequest, *, json: bool) -> None:
    """Run the program in a process of its own, and print the result."""
    with tempfile.TemporaryDirectory(prefix="impasto-") as scratch:
        file = Path(scratch) / "request.json"
        file.write_bytes(request.dumps())
        output = run_scorer(["try", str(file)])
    # A program may print, too; the result is the last line.
    *printed, last = output.splitlines()
    result = TrialResult.parse_input(last, "trial result")
    if json:
        typer.echo(last)
        return
    for line in (*printed, *result.records):
        typer.echo(line)
    first, *later = result.milliseconds
    throughput = f"{statistics.median(later or [first]):.1f} ms a frame (the first {first:.1f})"
    gpu = "" if result.gpu_memory_mb is None else f", {result.gpu_memory_mb:.0f} MB on the GPU"
    size = "" if result.scale == 1 else f", pictures of {result.width * result.scale}x{result.height * result.scale}"
    typer.echo(f"{result.frames} frames of {result.width}x{result.height}{size} on {result.device}: {throughput}.")
    typer.echo(f"Loaded in {result.load_seconds:.1f} s; {result.memory_mb:.0f} MB of memory{gpu}.")
    typer.echo(f"sha256 {result.sha256}")
    typer.echo(_next_command(request, result))
    if result.makes == "pictures":
        typer.echo(request.out)


def _next_command(request: TrialRequest, result: TrialResult) -> str:
    """Return the command that says what a run with the program takes, from the time of a frame here."""
    device = "gpu" if result.device.startswith("cuda") else "cpu"
    first, *later = result.milliseconds
    seconds = statistics.median(later or [first]) / 1e3 + delivery_seconds(
        device, width=result.width, height=result.height, scale=result.scale
    )
    scorer = "script" if request.program.suffix.lower() == ".py" else "model"
    return f"A whole run: impasto estimate {request.video.name} --scorer {scorer} --seconds-per-frame {seconds:.3f}"
