"""The person's command line: split, upload, trigger, watch, download, join, or `restyle` for all of it in one go.

Exit codes are those of `frame_tools.errors.ExitCode`; an error in words goes to stderr as one line.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from frame_tools import names
from frame_tools.commands import words_not_traces
from frame_tools.errors import ExitCode
from frame_tools.trigger import Trigger

EXAMPLES = """
Examples (set DATA to the storage account first, see the README):

  python -m frame_tools restyle holiday.mp4 --style starry_night.jpg --out holiday_starry.mp4

  python -m frame_tools split holiday.mp4 frames/holiday

  python -m frame_tools upload frames/holiday --name holiday --style starry_night.jpg

  python -m frame_tools trigger holiday --style starry_night.jpg --strength 0.8

  python -m frame_tools watch holiday-0123456789

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

Style = Annotated[Path | None, typer.Option("--style", help="The painting, an image file.")]
Scorer = Annotated[str, typer.Option(help="What repaints the frames: any, copy.")]
Strength = Annotated[float, typer.Option(help="0 gives the video back, 1 is the painting in full.")]
PerBatch = Annotated[int | None, typer.Option(help="Frames that one task scores; default: the scorer's own.")]
ImageFormat = Annotated[str, typer.Option("--format", help="How frames are stored: jpg (quality 95, 4:4:4) or png.")]
KeepPlace = Annotated[bool, typer.Option("--keep-place", help="Pass on where the video was recorded, if it says so.")]
Even = Annotated[str, typer.Option(help="Odd widths and heights: exact (4:4:4) or pad (4:2:0).")]
ApiUrl = Annotated[str, typer.Option("--api", envvar="IMPASTO_API", help="URL of the app, ending with /api.")]
ApiKey = Annotated[str, typer.Option("--key", envvar="IMPASTO_KEY", help="A function key; none for a local app.")]


def _trigger(**words: Any) -> Trigger:
    return Trigger.loads(json.dumps({word: value for word, value in words.items() if value is not None}), "options")


@app.command(epilog="Example: python -m frame_tools split holiday.mp4 frames/holiday --format png")
def split(
    video: Annotated[Path, typer.Argument(help="A video file with any codec that FFmpeg reads.")],
    folder: Annotated[Path, typer.Argument(help="Gets frames/, the sound, and manifest.json last.")],
    image_format: ImageFormat = "jpg",
    keep_place: KeepPlace = False,
) -> None:
    """Take a video apart into frames, sound and a manifest."""
    from frame_tools.progress import bars
    from frame_tools.steps import split_into

    with words_not_traces(), bars(console) as shown:
        checked = _trigger(scorer="copy", image_format=image_format)
        manifest = split_into(video, folder, checked.image_format, keep_place=keep_place, shown=shown)
        print(f"{manifest.frame_count} frames, {len(manifest.audio)} audio tracks in {folder}")


@app.command(epilog="Example: python -m frame_tools join frames/holiday holiday_again.mp4")
def join(
    folder: Annotated[Path, typer.Argument(help="A folder made by split; frames/ may have been repainted since.")],
    out: Annotated[Path, typer.Argument(help="The video to write.")],
    even: Even = "exact",
) -> None:
    """Make a video of a folder of frames, with the sound and the times of the original."""
    from frame_tools.progress import bars
    from frame_tools.steps import join_folder

    with words_not_traces(), bars(console) as shown:
        checked = _trigger(scorer="copy", even=even)
        report = join_folder(folder, out, even=checked.even, shown=shown)
        print(f"{report.frames} frames, {float(report.seconds):.3f} s, {report.tracks} audio tracks in {out}")


@app.command(epilog="Example: python -m frame_tools upload frames/holiday --name holiday --style starry_night.jpg")
def upload(
    folder: Annotated[Path, typer.Argument(help="A folder made by split, or a video file to be split in the cloud.")],
    name: Annotated[str | None, typer.Option(help="The run's name; default: the folder's or file's.")] = None,
    style: Style = None,
    start: Annotated[bool, typer.Option("--start", help="Put the trigger file when all has arrived.")] = False,
    scorer: Scorer = "any",
    strength: Strength = 1.0,
    frames_per_batch: PerBatch = None,
    even: Even = "exact",
) -> None:
    """Bring frames and painting to blob storage; again after a break it goes on where it was."""
    from frame_tools.progress import bars
    from frame_tools.steps import send
    from frame_tools.storage import DataStorage
    from frame_tools.upload import put_trigger

    with words_not_traces():
        named = names.check_name(name or names.name_from(folder.stem), "run's name")
        trigger = _trigger(
            scorer=scorer, strength=strength, frames_per_batch=frames_per_batch, even=even,
            style=names.name_from(style.name) if style else None,
            video=names.name_from(folder.name) if folder.is_file() else None,
        ) if start else None  # fmt: skip
        storage = DataStorage.from_environment(os.environ)
        with bars(console) as shown:
            done = send(folder, name=named, storage=storage, style=style, shown=shown)
        print(f"{done.files} files in input/{named}/, {done.sent} of them sent now")
        if trigger is not None:
            print(f"run {put_trigger(storage, name=named, trigger=trigger)}")


@app.command(epilog="Example: python -m frame_tools trigger holiday --style starry_night.jpg --strength 0.8")
def trigger(
    name: Annotated[str, typer.Argument(help="The run's name: triggers/<name>.json.")],
    style: Annotated[str | None, typer.Option(help="The painting's file name in input/<folder>/.")] = None,
    scorer: Scorer = "any",
    strength: Strength = 1.0,
    frames_per_batch: PerBatch = None,
    even: Even = "exact",
    source: Annotated[str | None, typer.Option("--input", help="Folder of input; default: the run's name.")] = None,
    video: Annotated[str | None, typer.Option(help="A video there, to be split in the cloud.")] = None,
    frames: Annotated[str | None, typer.Option(help="Folder of frames there; default: frames.")] = None,
    rate: Annotated[str | None, typer.Option(help='For frames without a manifest: 25, "30000/1001".')] = None,
    image_format: ImageFormat = "jpg",
    keep_place: KeepPlace = False,
) -> None:
    """Put the trigger file of what has been uploaded: this starts the run."""
    from frame_tools.storage import DataStorage
    from frame_tools.upload import put_trigger

    with words_not_traces():
        words = _trigger(
            scorer=scorer, strength=strength, frames_per_batch=frames_per_batch, even=even, style=style, input=source,
            video=video, frames=frames, rate=rate, image_format=image_format, keep_place=keep_place,
        )  # fmt: skip
        print(put_trigger(DataStorage.from_environment(os.environ), name=name, trigger=words))


@app.command(epilog="Example: python -m frame_tools watch holiday-0123456789 --api http://127.0.0.1:7071/api")
def watch(
    run_id: Annotated[str, typer.Argument(help="The run's id, as `trigger` prints it.")],
    api: ApiUrl = "",
    key: ApiKey = "",
    minutes: Annotated[float, typer.Option(help="Without --api: how long to wait for the report.")] = 120,
) -> None:
    """Follow a run until it ends. Without --api it waits for the report in the container output."""
    from frame_tools.progress import bars
    from frame_tools.steps import follow_to_the_end
    from frame_tools.storage import DataStorage
    from frame_tools.watch import Api, check_finished, follow_report

    with words_not_traces(), bars(console) as shown:
        names.check_run_id(run_id)
        if api:
            ended = follow_to_the_end(Api(url=api, key=key), run_id, shown=shown)
        else:
            console.print(f"waiting for output/{names.report(run_id)} …")
            ended = follow_report(DataStorage.from_environment(os.environ), run_id, minutes=minutes)
        check_finished(ended)
        print(f"{ended['status']}: {ended['video']}")


@app.command(epilog="Example: python -m frame_tools download holiday-0123456789 holiday_starry.mp4")
def download(
    run_id: Annotated[str, typer.Argument(help="The run's id.")],
    out: Annotated[Path, typer.Argument(help="The file to write, or a folder.")] = Path(),
) -> None:
    """Fetch a finished run's video."""
    from frame_tools.download import download as fetch
    from frame_tools.storage import DataStorage

    with words_not_traces():
        print(fetch(DataStorage.from_environment(os.environ), run_id, out))


@app.command(epilog="Example: python -m frame_tools restyle holiday.mp4 --style starry_night.jpg --out starry.mp4")
def restyle(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    out: Annotated[Path, typer.Option(help="The video to write.")],
    style: Style = None,
    api: ApiUrl = "http://127.0.0.1:7071/api",
    key: ApiKey = "",
    name: Annotated[str | None, typer.Option(help="The run's name; default: the video's.")] = None,
    scorer: Scorer = "any",
    strength: Strength = 1.0,
    frames_per_batch: PerBatch = None,
    even: Even = "exact",
    image_format: ImageFormat = "jpg",
    keep_place: KeepPlace = False,
    scratch: Annotated[Path, typer.Option(help="Where split frames are kept.")] = Path(".local/split"),
) -> None:
    """Do all of it: split, upload, trigger, watch, download."""
    from frame_tools.progress import bars
    from frame_tools.steps import restyle as everything
    from frame_tools.storage import DataStorage
    from frame_tools.watch import Api

    with words_not_traces(), bars(console) as shown:
        words = _trigger(
            scorer=scorer, strength=strength, frames_per_batch=frames_per_batch, even=even,
            style=names.name_from(style.name) if style else None, image_format=image_format, keep_place=keep_place,
        )  # fmt: skip
        written = everything(
            video, out, trigger=words, style=style, name=name or names.name_from(video.stem), scratch=scratch,
            storage=DataStorage.from_environment(os.environ), api=Api(url=api, key=key), shown=shown,
        )  # fmt: skip
    print(written)


@app.command(epilog="Example: python -m frame_tools estimate holiday.mp4 --nodes 4 --spot --chart cost.svg")
def estimate(
    video: Annotated[Path, typer.Argument(help="A video file; it is only probed.")],
    nodes: Annotated[int, typer.Option(min=1, help="Nodes with one GPU each, at most.")] = 4,
    vm_size: Annotated[str, typer.Option(help="VM size of the nodes.")] = "Standard_NC4as_T4_v3",
    spot: Annotated[bool, typer.Option("--spot/--dedicated", help="What kind of nodes.")] = True,
    evictions: Annotated[float, typer.Option(min=0, help="Evictions of a Spot node an hour, a guess.")] = 0.05,
    frames_per_batch: PerBatch = None,
    device: Annotated[str, typer.Option(help="Row of the table of speeds: gpu (a guess) or cpu (measured).")] = "gpu",
    seconds_per_frame: Annotated[float | None, typer.Option(min=0, help="In place of the table's.")] = None,
    start_up: Annotated[float | None, typer.Option(min=0, help="Seconds of a task's start, likewise.")] = None,
    report: Annotated[Path | None, typer.Option(help="report.json of a run with frames of this size.")] = None,
    prices: Annotated[Path | None, typer.Option(help="JSON file laid over the price table.")] = None,
    hour_worth: Annotated[float, typer.Option(min=0, help="US dollars that an hour of waiting is worth.")] = 2.0,
    chart: Annotated[Path | None, typer.Option(help="Also draw the curve: an SVG file.")] = None,
) -> None:
    """Say what a run would take and cost, and which batch size is best. A model: see docs/cost.md."""
    from frame_tools.estimate import Wishes
    from frame_tools.estimate import estimate as say

    with words_not_traces():
        wishes = Wishes(
            nodes=nodes, vm_size=vm_size, spot=spot, evictions_per_hour=evictions, device=device,
            frames_per_batch=frames_per_batch, seconds_per_frame=seconds_per_frame, start_up_seconds=start_up,
            report=report, prices=prices, hour_worth_usd=hour_worth, chart=chart,
        )  # fmt: skip
        print(say(video, wishes))


@app.command(epilog="Example: python -m frame_tools sas --hours 8 > guest.env   (the guest: set -a; . ./guest.env)")
def sas(
    hours: Annotated[int, typer.Option(help="How long the URLs are good; the account may allow a day at most.")] = 24,
) -> None:
    """Print settings with signed URLs for somebody without an account: bring frames, start runs, fetch videos."""
    from datetime import UTC, datetime

    from frame_tools.accounts import DATA, account_from
    from frame_tools.blobs import BlobAccount
    from frame_tools.guests import guest_settings

    with words_not_traces():
        settings = guest_settings(BlobAccount(account_from(os.environ, DATA)), hours=hours, now=datetime.now(UTC))
    for name, url in settings.items():
        print(f"{name}='{url}'")


@app.command("make-containers")
def make_containers() -> None:
    """Make the containers and queues that are missing in DATA and OPS (for Azurite; the templates do it in Azure)."""
    from frame_tools.storage import Storage

    with words_not_traces():
        Storage.from_environment(os.environ).ensure()


def main() -> None:
    """Run the command line."""
    app()
    raise SystemExit(ExitCode.OK)
