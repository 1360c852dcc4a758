"""Command line for users: split, upload, trigger, watch, download, join, and `restyle` for all steps in one.

Exit codes are those of `frame_tools.contracts.errors.ExitCode`; an error is reported on stderr in one line. The
painting options are generated from the schema (`frame_tools.cli.options`).
"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from frame_tools.cli import estimate, resubmit, split_join
from frame_tools.cli.app import new_app
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import (
    PAINTING,
    SPLITTING,
    ApiKey,
    ApiUrl,
    Arguments,
    KeyStyles,
    MaskPath,
    Overwrite,
    Styles,
    build_trigger,
    mask_name,
    parse_arguments,
    parse_styles,
    schema_options,
)
from frame_tools.contracts import ids
from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.paths import RunPaths

EXAMPLES = """
Examples (set DATA to the storage account first, see the README):

  python -m frame_tools restyle holiday.mp4 --style starry_night.jpg --out holiday_starry.mp4

  python -m frame_tools split holiday.mp4 frames/holiday

  python -m frame_tools upload frames/holiday --name holiday --style starry_night.jpg

  python -m frame_tools trigger holiday --style starry_night.jpg --strength 0.8

  python -m frame_tools watch holiday-0123456789

  python -m frame_tools resubmit holiday-0123456789 --which all --strength 0.5

  python -m frame_tools download holiday-0123456789 holiday_starry.mp4
"""

app = new_app(help="Repaint a video in the style of a painting.", epilog=EXAMPLES)
console = Console(stderr=True)

split_join.add_to(app)


@app.command(epilog="Example: python -m frame_tools upload frames/holiday --name holiday --style starry_night.jpg")
@schema_options(*PAINTING)
def upload(
    folder: Annotated[Path, typer.Argument(help="A folder made by split, or a video file to split in the cloud.")],
    name: Annotated[str | None, typer.Option(help="Name of the run; default: name of the folder or file.")] = None,
    style: Styles = None,
    key_style: KeyStyles = None,
    mask: MaskPath = None,
    arguments: Arguments = None,
    start: Annotated[bool, typer.Option("--start", help="Start the run once the upload is complete.")] = False,
    **options: Any,
) -> None:
    """Upload frames, styles and masks. Re-run to resume an interrupted upload."""
    from frame_tools.client.progress import progress_bars
    from frame_tools.client.upload import extra_files, put_trigger
    from frame_tools.client.workflow import upload_input
    from frame_tools.storage.deployment import DataStorage

    with report_errors():
        run_name = ids.check_name(name or ids.name_from(folder.stem), "run's name")
        style_fields, styles = parse_styles(style, key_style)
        trigger = None
        if start:
            video = ids.name_from(folder.name) if folder.is_file() else None
            fields = {**style_fields, "mask": mask_name(mask), "arguments": parse_arguments(arguments), "video": video}
            trigger = build_trigger({**options, **fields})
        storage = DataStorage.from_environment(os.environ)
        with progress_bars(console) as bars:
            result = upload_input(folder, name=run_name, storage=storage, extras=extra_files(styles, mask), bars=bars)
        typer.echo(f"{result.files} files in input/{run_name}/, {result.sent} uploaded now")
        if trigger is not None:
            typer.echo(f"run {put_trigger(storage, name=run_name, trigger=trigger)}")


@app.command(epilog="Example: python -m frame_tools trigger holiday --style starry_night.jpg --strength 0.8")
@schema_options(*PAINTING, "mask", "input", "video", "frames", "rate", *SPLITTING)
def trigger(
    name: Annotated[str, typer.Argument(help="Name of the run: writes triggers/<name>.json.")],
    style: Styles = None,
    key_style: KeyStyles = None,
    arguments: Arguments = None,
    **options: Any,
) -> None:
    """Start a run of uploaded input by writing its trigger file; prints the run id."""
    from frame_tools.client.upload import put_trigger
    from frame_tools.storage.deployment import DataStorage

    with report_errors():
        style_fields, _ = parse_styles(style, key_style)
        document = build_trigger({**options, **style_fields, "arguments": parse_arguments(arguments)})
        typer.echo(put_trigger(DataStorage.from_environment(os.environ), name=name, trigger=document))


@app.command(epilog="Example: python -m frame_tools watch holiday-0123456789 --api http://127.0.0.1:7071/api")
def watch(
    run_id: Annotated[str, typer.Argument(help="The run id, as `trigger` prints it.")],
    api: ApiUrl = "",
    key: ApiKey = "",
    minutes: Annotated[float, typer.Option(help="Without --api: maximum time to wait for the report.")] = 120,
) -> None:
    """Follow a run until it ends. Without --api, wait for the report in the container output."""
    from frame_tools.client.api import ApiClient
    from frame_tools.client.polling import check_finished, wait_for_report
    from frame_tools.client.progress import progress_bars
    from frame_tools.client.workflow import follow_with_progress
    from frame_tools.storage.deployment import DataStorage

    with report_errors(), progress_bars(console) as bars:
        ids.check_run_id(run_id)
        if api:
            status = follow_with_progress(ApiClient(url=api, key=key), run_id, bars=bars)
        else:
            console.print(f"waiting for output/{RunPaths(run_id).report} …")
            status = wait_for_report(DataStorage.from_environment(os.environ), run_id, minutes=minutes)
            for note in status.get("notes", ()):
                bars.print(f"Note: {note}.")
        check_finished(status)
        typer.echo(f"{status['status']}: {status.get('video') or status.get('records')}")


@app.command(epilog="Example: python -m frame_tools download holiday-0123456789 holiday_starry.mp4")
def download(
    run_id: Annotated[str, typer.Argument(help="The run id.")],
    out: Annotated[Path, typer.Argument(help="The file to write, or a folder.")] = Path(),
    overwrite: Overwrite = False,
) -> None:
    """Download a finished run's video, or its records (JSON lines, one per frame)."""
    from frame_tools.client.download import download as download_output
    from frame_tools.storage.deployment import DataStorage

    with report_errors():
        storage = DataStorage.from_environment(os.environ)
        typer.echo(download_output(storage, run_id, out, overwrite=overwrite))


resubmit.add_to(app)


@app.command(epilog="Example: python -m frame_tools restyle holiday.mp4 --style starry_night.jpg --out starry.mp4")
@schema_options(*PAINTING, *SPLITTING)
def restyle(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    out: Annotated[Path, typer.Option(help="The video to write: .mp4, .mov or .mkv; records get the suffix .jsonl.")],
    style: Styles = None,
    key_style: KeyStyles = None,
    mask: MaskPath = None,
    arguments: Arguments = None,
    api: ApiUrl = "http://127.0.0.1:7071/api",
    key: ApiKey = "",
    name: Annotated[str | None, typer.Option(help="Name of the run; default: name of the video.")] = None,
    scratch: Annotated[Path, typer.Option(help="Folder for the split frames.")] = Path(".local/split"),
    overwrite: Overwrite = False,
    **options: Any,
) -> None:
    """Do all steps: split, upload, trigger, watch, download."""
    from frame_tools.client.api import ApiClient
    from frame_tools.client.progress import progress_bars
    from frame_tools.client.upload import extra_files
    from frame_tools.client.workflow import restyle as restyle_video
    from frame_tools.storage.deployment import DataStorage

    with report_errors(), progress_bars(console) as bars:
        style_fields, styles = parse_styles(style, key_style)
        fields = {**style_fields, "mask": mask_name(mask), "arguments": parse_arguments(arguments)}
        written = restyle_video(
            video,
            out,
            trigger=build_trigger({**options, **fields}),
            extras=extra_files(styles, mask),
            name=name or ids.name_from(video.stem),
            scratch=scratch,
            storage=DataStorage.from_environment(os.environ),
            api=ApiClient(url=api, key=key),
            bars=bars,
            overwrite=overwrite,
        )
    typer.echo(written)


estimate.add_to(app)


@app.command(epilog="Example: python -m frame_tools sas --hours 8 > guest.env   (the guest: set -a; . ./guest.env)")
def sas(
    hours: Annotated[int, typer.Option(help="Lifetime of the URLs; the account may allow a day at most.")] = 24,
) -> None:
    """Print settings with SAS URLs for a user without an account: upload frames, start runs, download videos."""
    from datetime import UTC, datetime

    from frame_tools.storage.accounts import DATA, account_from
    from frame_tools.storage.blobs import BlobAccount
    from frame_tools.storage.sas import guest_settings

    with report_errors():
        settings = guest_settings(BlobAccount(account_from(os.environ, DATA)), hours=hours, now=datetime.now(UTC))
    for name, url in settings.items():
        typer.echo(f"{name}='{url}'")


@app.command("make-containers")
def make_containers() -> None:
    """Create missing containers and queues in DATA and OPS (for Azurite; in Azure the templates create them)."""
    from frame_tools.storage.deployment import Storage

    with report_errors():
        Storage.from_environment(os.environ).ensure()


def main() -> None:
    """Run the command line."""
    app()
    raise SystemExit(ExitCode.OK)
