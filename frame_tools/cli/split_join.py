"""The commands `split` and `join`: a video apart and together again, without a cloud."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import Grouped, checked, takes

console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    example = "Example: python -m frame_tools split holiday.mp4 frames/holiday --format png"
    app.command(cls=Grouped, epilog=example)(split)
    example = "Example: python -m frame_tools join frames/holiday holiday_again.mp4"
    app.command(cls=Grouped, epilog=example)(join)


@takes("image_format", "keep_place")
def split(
    video: Annotated[Path, typer.Argument(help="A video file with any codec that FFmpeg reads.")],
    folder: Annotated[Path, typer.Argument(help="Gets frames/, the sound, and manifest.json last.")],
    **words: Any,
) -> None:
    """Take a video apart into frames, sound and a manifest."""
    from frame_tools.client.progress import bars
    from frame_tools.client.workflow import split_into

    with report_errors(), bars(console) as shown:
        said = checked({"scorer": "copy", **words})
        manifest = split_into(video, folder, said.image_format, keep_location=said.keep_place, shown=shown)
        typer.echo(f"{manifest.frame_count} frames, {len(manifest.audio)} audio tracks in {folder}")


@takes("even")
def join(
    folder: Annotated[Path, typer.Argument(help="A folder made by split; frames/ may have been repainted since.")],
    out: Annotated[Path, typer.Argument(help="The video to write.")],
    **words: Any,
) -> None:
    """Make a video of a folder of frames, with the sound and the times of the original."""
    from frame_tools.client.progress import bars
    from frame_tools.client.workflow import join_folder

    with report_errors(), bars(console) as shown:
        said = checked({"scorer": "copy", **words})
        report = join_folder(folder, out, odd_size=said.even, shown=shown)
        typer.echo(f"{report.frames} frames, {float(report.seconds):.3f} s, {report.tracks} audio tracks in {out}")
