"""The options of the files beside a painted video."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from frame_tools.client.derived_files import DerivedFiles

PANEL: Final = "Files beside the video"


class CompareChoice(StrEnum):
    """The values of --compare."""

    side = "side"
    wipe = "wipe"


Compare = Annotated[
    CompareChoice | None,
    typer.Option(
        "--compare",
        help="A video of original and painting: side by side, or with a moving border.",
        rich_help_panel=PANEL,
    ),
]
Gif = Annotated[bool, typer.Option("--gif", help="The first three seconds as an animated GIF.", rich_help_panel=PANEL)]
Webp = Annotated[
    bool, typer.Option("--webp", help="The first three seconds as an animated WebP.", rich_help_panel=PANEL)
]
Report = Annotated[
    bool | None,
    typer.Option(
        "--report/--no-report",
        help="A folder with report.html, before.jpg, after.jpg and sheet.jpg. Default: for several videos only.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]


def derived_files(compare: CompareChoice | None, *, gif: bool, webp: bool, report: bool = False) -> DerivedFiles:
    """Return the files to write beside the painted video."""
    return DerivedFiles(compare=None if compare is None else compare.value, gif=gif, webp=webp, report=report)
