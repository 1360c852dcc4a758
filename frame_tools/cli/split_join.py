"""The commands `split` and `join`: split a video and join it again on this machine, without a cloud."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import SPLITTING, Overwrite, build_trigger, schema_options

console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Step by step"
    app.command(epilog="Example: impasto split holiday.mp4 frames/holiday --format png", rich_help_panel=panel)(split)
    app.command(epilog="Example: impasto join frames/holiday holiday_again.mp4", rich_help_panel=panel)(join)


@schema_options(*SPLITTING)
def split(
    video: Annotated[Path, typer.Argument(help="A video file with any codec that FFmpeg reads.")],
    folder: Annotated[Path, typer.Argument(help="Output folder for frames/, the audio and manifest.json.")],
    **options: Any,
) -> None:
    """Split a video into frames, audio and a manifest."""
    from frame_tools.client.progress import progress_display
    from frame_tools.client.upload import count_text
    from frame_tools.client.workflow import split_video

    with report_errors(), progress_display(console) as display:
        trigger = build_trigger({"scorer": "copy", **options})
        manifest = split_video(video, folder, trigger.split_options, display=display)
        typer.echo(
            f"{count_text(manifest.frame_count, 'frame')}, {count_text(len(manifest.audio), 'audio track')} in {folder}"
        )


@schema_options("odd_size")
def join(
    folder: Annotated[Path, typer.Argument(help="A folder made by split; its frames may have been edited since.")],
    out: Annotated[Path, typer.Argument(help="The video to write: .mp4, .mov or .mkv.")],
    overwrite: Overwrite = False,
    **options: Any,
) -> None:
    """Join a folder of frames into a video, with the audio and timestamps of the original."""
    from frame_tools.client.progress import progress_display
    from frame_tools.client.upload import count_text
    from frame_tools.client.workflow import join_folder

    with report_errors(), progress_display(console) as display:
        trigger = build_trigger({"scorer": "copy", **options})
        report = join_folder(folder, out, odd_size=trigger.odd_size, display=display, overwrite=overwrite)
        frames, tracks = count_text(report.frames, "frame"), count_text(report.tracks, "audio track")
        typer.echo(f"{frames}, {float(report.seconds):.3f} s, {tracks} in {out}")
