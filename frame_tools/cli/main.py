"""The person's command line: split, upload, trigger, watch, download, join, or `restyle` for all of it in one go.

Exit codes are those of `frame_tools.contracts.errors.ExitCode`; an error in words goes to stderr as one line. The
painting options are generated from the schema (`frame_tools.cli.options`).
"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from frame_tools.cli import estimate, resubmit, split_join
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import (
    PAINTING,
    ApiKey,
    ApiUrl,
    Arguments,
    Grouped,
    KeyStyles,
    MaskPath,
    Styles,
    arguments_of,
    checked,
    files_of,
    mask_name_of,
    takes,
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

app = typer.Typer(
    help="A video in the hand of a painter: the commands for people.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
console = Console(stderr=True)

split_join.add_to(app)


@app.command(
    cls=Grouped, epilog="Example: python -m frame_tools upload frames/holiday --name holiday --style starry_night.jpg"
)
@takes(*PAINTING)
def upload(
    folder: Annotated[Path, typer.Argument(help="A folder made by split, or a video file to be split in the cloud.")],
    name: Annotated[str | None, typer.Option(help="The run's name; default: the folder's or file's.")] = None,
    style: Styles = None,
    key_style: KeyStyles = None,
    mask: MaskPath = None,
    arguments: Arguments = None,
    start: Annotated[bool, typer.Option("--start", help="Put the trigger file when all has arrived.")] = False,
    **words: Any,
) -> None:
    """Bring frames, styles and masks to blob storage; again after a break it goes on where it was."""
    from frame_tools.client.progress import bars
    from frame_tools.client.upload import extra_files, put_trigger
    from frame_tools.client.workflow import send
    from frame_tools.storage.deployment import DataStorage

    with report_errors():
        named = ids.check_name(name or ids.name_from(folder.stem), "run's name")
        said, styles = files_of(style, key_style)
        trigger = (
            checked(
                {
                    **words, **said, "mask": mask_name_of(mask), "arguments": arguments_of(arguments or ()),
                    "video": ids.name_from(folder.name) if folder.is_file() else None,
                }
            )
            if start
            else None
        )  # fmt: skip
        storage = DataStorage.from_environment(os.environ)
        with bars(console) as shown:
            done = send(folder, name=named, storage=storage, extras=extra_files(styles, mask), shown=shown)
        print(f"{done.files} files in input/{named}/, {done.sent} of them sent now")
        if trigger is not None:
            print(f"run {put_trigger(storage, name=named, trigger=trigger)}")


@app.command(
    cls=Grouped, epilog="Example: python -m frame_tools trigger holiday --style starry_night.jpg --strength 0.8"
)
@takes(*PAINTING, "mask", "input", "video", "frames", "rate", "image_format", "keep_place")
def trigger(
    name: Annotated[str, typer.Argument(help="The run's name: triggers/<name>.json.")],
    style: Styles = None,
    key_style: KeyStyles = None,
    arguments: Arguments = None,
    **words: Any,
) -> None:
    """Put the trigger file of what has been uploaded: this starts the run."""
    from frame_tools.client.upload import put_trigger
    from frame_tools.storage.deployment import DataStorage

    with report_errors():
        said, _ = files_of(style, key_style)
        asked = checked({**words, **said, "arguments": arguments_of(arguments or ())})
        print(put_trigger(DataStorage.from_environment(os.environ), name=name, trigger=asked))


@app.command(epilog="Example: python -m frame_tools watch holiday-0123456789 --api http://127.0.0.1:7071/api")
def watch(
    run_id: Annotated[str, typer.Argument(help="The run's id, as `trigger` prints it.")],
    api: ApiUrl = "",
    key: ApiKey = "",
    minutes: Annotated[float, typer.Option(help="Without --api: how long to wait for the report.")] = 120,
) -> None:
    """Follow a run until it ends. Without --api it waits for the report in the container output."""
    from frame_tools.client.api import ApiClient, check_finished, follow_report
    from frame_tools.client.progress import bars
    from frame_tools.client.workflow import follow_to_the_end
    from frame_tools.storage.deployment import DataStorage

    with report_errors(), bars(console) as shown:
        ids.check_run_id(run_id)
        if api:
            ended = follow_to_the_end(ApiClient(url=api, key=key), run_id, shown=shown)
        else:
            console.print(f"waiting for output/{RunPaths(run_id).report} …")
            ended = follow_report(DataStorage.from_environment(os.environ), run_id, minutes=minutes)
        check_finished(ended)
        print(f"{ended['status']}: {ended.get('video') or ended.get('records')}")


@app.command(epilog="Example: python -m frame_tools download holiday-0123456789 holiday_starry.mp4")
def download(
    run_id: Annotated[str, typer.Argument(help="The run's id.")],
    out: Annotated[Path, typer.Argument(help="The file to write, or a folder.")] = Path(),
) -> None:
    """Fetch a finished run's video, or its records (JSON lines, one a frame)."""
    from frame_tools.client.download import download as fetch
    from frame_tools.storage.deployment import DataStorage

    with report_errors():
        print(fetch(DataStorage.from_environment(os.environ), run_id, out))


resubmit.add_to(app)


@app.command(
    cls=Grouped, epilog="Example: python -m frame_tools restyle holiday.mp4 --style starry_night.jpg --out starry.mp4"
)
@takes(*PAINTING, "image_format", "keep_place")
def restyle(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    out: Annotated[Path, typer.Option(help="The video to write; records get the ending .jsonl.")],
    style: Styles = None,
    key_style: KeyStyles = None,
    mask: MaskPath = None,
    arguments: Arguments = None,
    api: ApiUrl = "http://127.0.0.1:7071/api",
    key: ApiKey = "",
    name: Annotated[str | None, typer.Option(help="The run's name; default: the video's.")] = None,
    scratch: Annotated[Path, typer.Option(help="Where split frames are kept.")] = Path(".local/split"),
    **words: Any,
) -> None:
    """Do all of it: split, upload, trigger, watch, download."""
    from frame_tools.client.api import ApiClient
    from frame_tools.client.progress import bars
    from frame_tools.client.upload import extra_files
    from frame_tools.client.workflow import restyle as everything
    from frame_tools.storage.deployment import DataStorage

    with report_errors(), bars(console) as shown:
        said, styles = files_of(style, key_style)
        asked = checked({**words, **said, "mask": mask_name_of(mask), "arguments": arguments_of(arguments or ())})
        written = everything(
            video, out, trigger=asked, extras=extra_files(styles, mask), name=name or ids.name_from(video.stem),
            scratch=scratch, storage=DataStorage.from_environment(os.environ),
            api=ApiClient(url=api, key=key),
            shown=shown,
        )  # fmt: skip
    print(written)


estimate.add_to(app)


@app.command(epilog="Example: python -m frame_tools sas --hours 8 > guest.env   (the guest: set -a; . ./guest.env)")
def sas(
    hours: Annotated[int, typer.Option(help="How long the URLs are good; the account may allow a day at most.")] = 24,
) -> None:
    """Print settings with signed URLs for somebody without an account: bring frames, start runs, fetch videos."""
    from datetime import UTC, datetime

    from frame_tools.storage.accounts import DATA, account_from
    from frame_tools.storage.blobs import BlobAccount
    from frame_tools.storage.sas import guest_settings

    with report_errors():
        settings = guest_settings(BlobAccount(account_from(os.environ, DATA)), hours=hours, now=datetime.now(UTC))
    for name, url in settings.items():
        print(f"{name}='{url}'")


@app.command("make-containers")
def make_containers() -> None:
    """Make the containers and queues that are missing in DATA and OPS (for Azurite; the templates do it in Azure)."""
    from frame_tools.storage.deployment import Storage

    with report_errors():
        Storage.from_environment(os.environ).ensure()


def main() -> None:
    """Run the command line."""
    app()
    raise SystemExit(ExitCode.OK)
