"""The command `redo` (`resubmit` is its old name): score what is missing, or everything with other options."""

import json as json_format
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from frame_tools.cli.connect import connect
from frame_tools.cli.derived import Compare, Gif, Report, Webp, derived_files
from frame_tools.cli.errors import report_errors
from frame_tools.cli.interrupt import following
from frame_tools.cli.options import (
    PAINTING,
    ApiKey,
    ApiUrl,
    Arguments,
    Json,
    Overwrite,
    Quiet,
    Styles,
    display_mode,
    parse_arguments,
    parse_styles,
    present,
    schema_options,
)
from frame_tools.cli.run_ids import Label, RunIds, resolve_run_ids
from frame_tools.client.connection import Connection
from frame_tools.client.derived_files import DerivedFiles
from frame_tools.client.output_path import check_target
from frame_tools.client.progress import Display, Mode, progress_display
from frame_tools.contracts.errors import InputError

console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the command and its old name."""
    example = "Example: impasto redo holiday-0123456789 --which all --strength 0.5"
    app.command(epilog=example, rich_help_panel="Runs")(redo)
    app.command("resubmit", hidden=True, epilog=example)(redo)


@schema_options(*PAINTING, show_defaults=False)
def redo(
    run_id: RunIds = None,
    which: Annotated[
        str, typer.Option(metavar="missing|failed|all|0,3", help="What to score again; options require all.")
    ] = "missing",
    label: Label = None,
    style: Styles = None,
    arguments: Arguments = None,
    default: Annotated[
        list[str] | None,
        typer.Option("--default", metavar="OPTION", help="Reset this option to its default; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Follow the run and write its result to this file or folder, as impasto get does."
        ),
    ] = None,
    overwrite: Overwrite = False,
    compare: Compare = None,
    gif: Gif = False,
    webp: Webp = False,
    report: Report = None,
    json: Json = False,
    quiet: Quiet = False,
    api: ApiUrl = "",
    key: ApiKey = "",
    **options: Any,
) -> None:
    """Score what is missing of runs, or all of them again with other options; prints the ids of the new runs.

    With --style, it paints the same input with another painting; only the painting is uploaded.
    With --out, or an option of the files beside the video, it also waits for the runs and downloads their results.
    """
    from frame_tools.client.library import Run

    with report_errors():
        mode = display_mode(json=json, quiet=quiet)
        derived = derived_files(compare, gif=gif, webp=webp, report=bool(report))
        is_followed = out is not None or derived != DerivedFiles()
        changes = {
            **dict.fromkeys(default or ()),
            **present(options),
            **({"arguments": parse_arguments(arguments)} if arguments else {}),
        }
        connection = connect(api, key)
        run_ids = resolve_run_ids(connection, run_id, label)
        target = out or Path()
        if is_followed:
            _check_target(target, derived, runs=len(run_ids), overwrite=overwrite)
        if style:
            new = _repaint(connection, run_ids, which, style, changes)
        else:
            new = [Run(connection=connection, id=each).resubmit(which, changes).id for each in run_ids]
        for each in new:
            typer.echo(json_format.dumps({"event": "started", "run_id": each}) if mode is Mode.JSON else each)
        if is_followed:
            for each in new:
                with progress_display(console, mode) as display, following(connection, lambda: new):
                    _write(connection, each, target, derived, overwrite=overwrite, display=display)


def _repaint(
    connection: Connection, run_ids: Sequence[str], which: str, style: list[str], changes: Mapping[str, Any]
) -> list[str]:
    """Paint the input of the runs with other styles; raises InputError for a selection of batches."""
    from frame_tools.client.repaint import repaint

    if which not in ("all", "missing"):
        raise InputError(f"--style paints all frames, not {which!r}", "Leave out --which.")
    fields, files = parse_styles(style, None)
    return [repaint(connection, each, files, fields, changes) for each in run_ids]


def _check_target(target: Path, derived: DerivedFiles, *, runs: int, overwrite: bool) -> None:
    """Create the folder that `target` names, or check the file before anything starts; raises InputError."""
    if runs == 1 and target.suffix:
        check_target(target, overwrite=overwrite)
        derived.check(target, overwrite=overwrite)
    elif target.suffix:
        raise InputError(f"{runs} results would be written to {target}", "Give a folder with --out.")
    else:
        target.mkdir(parents=True, exist_ok=True)


def _write(
    connection: Connection, run_id: str, target: Path, derived: DerivedFiles, *, overwrite: bool, display: Display
) -> None:
    """Follow a run and write its result; raises RunEndedError unless it finishes."""
    from frame_tools.client.polling import check_finished
    from frame_tools.client.results import write_run
    from frame_tools.client.workflow import follow_run

    check_finished(follow_run(connection, run_id, display=display))
    result = write_run(connection.storage(), run_id, target, derived=derived, overwrite=overwrite)
    for path in (result.out, *result.beside):
        display.report("written", f"{path}.", path=str(path), run_id=run_id)
