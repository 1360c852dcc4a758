"""The commands `runs` and `show`: what runs there are, and how one of them is doing."""

import csv
import io
import json as json_module
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import ApiKey, ApiUrl, Json
from frame_tools.cli.run_ids import Label, RunId, resolve_run_id
from frame_tools.contracts.trigger import Trigger

COLUMNS: Final = ("run_id", "status", "received_at", "ended_at", "name", "label", "styles", "scorer", "reason")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(epilog="Example: impasto runs --status scoring", rich_help_panel="Runs")(runs)
    app.command(epilog="Example: impasto show holiday-0123456789", rich_help_panel="Runs")(show)


def runs(
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Only runs with this status: scoring, finished, failed …")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only runs with this text in their name.")] = None,
    label: Label = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only runs since this time or day, such as 2026-11-29.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of runs.")] = 50,
    json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write a table with commas, for spreadsheets.")] = False,
    api: ApiUrl = "",
    key: ApiKey = "",
) -> None:
    """List the runs, newest first."""
    with report_errors():
        rows = connect(api, key).api().runs(status=status, name=name, label=label, since=since, limit=limit)
    if json:
        for row in rows:
            typer.echo(json_module.dumps(row, ensure_ascii=False))
    elif as_csv:
        typer.echo(_csv(rows), nl=False)
    elif not rows:
        typer.echo("No runs.")
    else:
        Console(highlight=False, soft_wrap=True, markup=False, emoji=False).print(_table(rows))


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "styles": " ".join(row.get("styles") or ())})
    return text.getvalue()


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    # Whole ids, however narrow the terminal is: people copy them.
    table.add_column("run", no_wrap=True, min_width=max(len(row["run_id"]) for row in rows))
    for title in ("status", "started", "painting", "label"):
        table.add_column(title)
    for row in rows:
        painting = ", ".join(row.get("styles") or ()) or row.get("scorer") or ""
        table.add_row(
            row["run_id"], row["status"], local_time(row.get("received_at")), painting, row.get("label") or ""
        )
    return table


def local_time(text: str | None) -> str:
    """Return a stored time as people write it, in their own time zone; empty without one."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M") if text else ""


def show(run_id: RunId, json: Json = False, api: ApiUrl = "", key: ApiKey = "") -> None:
    """Show a run: status, progress, options, problems and cost."""
    from frame_tools.contracts.errors import MissingError

    with report_errors():
        connection = connect(api, key)
        run_id = resolve_run_id(connection, run_id)
        status = connection.api().status(run_id)
        if status is None:
            raise MissingError(f"The run {run_id} does not exist", "List the runs: impasto runs")
    if json:
        typer.echo(json_module.dumps(status, ensure_ascii=False))
        return
    for name, text in describe_run(status).items():
        typer.echo(f"{name:<10} {text}")


def _chosen_options(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a run that are not the defaults."""
    defaults = Trigger.model_construct().model_dump(mode="json")
    options: Mapping[str, Any] = status.get("options") or {}
    return {name: value for name, value in options.items() if name not in defaults or defaults[name] != value}


def describe_run(status: Mapping[str, Any]) -> dict[str, str]:
    """Return what people want to know of a run, by title; empty facts are left out."""
    progress, batches = status.get("progress") or {}, status.get("batches") or {}
    cost = status.get("cost") or {}
    usd = (cost.get("usd") or {}).get("total")
    expected = ((cost.get("expected") or {}).get("usd") or {}).get("spot")
    facts = {
        "run": status["run_id"],
        "status": status["status"],
        "reason": " ".join(filter(None, (status.get("reason"), status.get("remedy"), progress.get("reason")))),
        "frames": f"{progress.get('frames_done', 0)} of {progress['frames']}" if progress.get("frames") else "",
        "batches": f"{batches['done']} of {batches['planned']}" if batches.get("planned") else "",
        "started": local_time(status.get("received_at")),
        "ended": local_time(status.get("ended_at")),
        "options": ", ".join(f"{name}={value}" for name, value in _chosen_options(status).items()),
        "output": status.get("video") or status.get("records") or "",
        "cost": f"${usd:.2f}" if usd is not None else f"about ${expected:.2f}" if expected is not None else "",
        "notes": " ".join(f"{note}." for note in status.get("notes") or ()),
        "trouble": " ".join(status.get("trouble") or ()),
    }
    return {name: str(text) for name, text in facts.items() if text}
