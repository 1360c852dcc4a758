"""What a folder of paintings gets at the end: index.html to look at, and runs.csv for spreadsheets."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from frame_tools.client.many import Outcome
from frame_tools.media.files import write_atomically

COLUMNS: Final = ("output", "video", "styles", "status", "run_id", "frames", "seconds", "bytes", "usd", "reason")


def write_gallery(folder: Path, outcomes: Sequence[Outcome], *, title: str) -> Path:
    """Write index.html and runs.csv to the folder; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "runs.csv", table(outcomes).encode())
    page = folder / "index.html"
    write_atomically(page, render(outcomes, title=title))
    return page


def _row(outcome: Outcome) -> dict[str, object]:
    painting = outcome.painting
    return {
        "output": painting.out.name,
        "video": painting.video.name,
        "styles": " ".join(painting.trigger.style_files),
        "status": outcome.status,
        "run_id": outcome.run_id or outcome.fields.get("run_id", ""),
        "reason": outcome.reason,
        **{name: outcome.fields.get(name) for name in ("frames", "seconds", "bytes", "usd")},
    }


def _report_links(outcome: Outcome) -> dict[str, str]:
    """Return the addresses of the run's report and of its painted picture, empty if there are none."""
    folder = outcome.painting.derived.report_folder(outcome.painting.out)
    names = {"report": "report.html", "poster": "after.jpg"}
    return {key: f"{folder.name}/{name}" if (folder / name).is_file() else "" for key, name in names.items()}


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(_row(outcome) for outcome in outcomes)
    return text.getvalue()


def render(outcomes: Sequence[Outcome], *, title: str) -> bytes:
    """Return the page as UTF-8 HTML: a video, its painting and its facts for each output; every value is escaped."""
    environment = Environment(
        loader=PackageLoader("frame_tools.client", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [_row(outcome) | {"succeeded": outcome.succeeded, **_report_links(outcome)} for outcome in outcomes]
    return environment.get_template("gallery.html.jinja").render(title=title, rows=rows).encode()
