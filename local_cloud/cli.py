"""Commands `up` (run the local cloud until Ctrl-C) and `demo` (restyle one video in a temporary local cloud)."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from local_cloud.accounts import FREE_PORTS, default_ports
from local_cloud.cloud import PROJECT, SCORER_PYTHON, Cloud, CloudOptions, running_cloud
from local_cloud.service_process import ServiceFailedError

app = typer.Typer(
    help="Run Storage, Batch and Functions on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
console = Console(stderr=True)
LOCAL = PROJECT / ".local"
FAILED = 1


@app.command()
def up(
    host: Annotated[
        str, typer.Option(help="local: this project's function host; func: no host, run `func start` yourself.")
    ] = "local",
    folder: Annotated[Path, typer.Option(help="Folder for blobs, queues, tasks and logs.")] = LOCAL / "cloud",
    offset: Annotated[
        int, typer.Option(min=0, max=50_000, help="Added to every port, to run a second local cloud beside the first.")
    ] = 0,
) -> None:
    """Start the local cloud on its default ports and keep it running until Ctrl-C."""
    if host not in ("local", "func"):
        raise typer.BadParameter(f"{host!r} is not a host; use local or func", param_hint="--host")
    signal.signal(signal.SIGTERM, _interrupt)
    # A shell starts background jobs (`&`) with SIGINT ignored, so SIGINT is handled explicitly.
    signal.signal(signal.SIGINT, _interrupt)
    try:
        with running_cloud(
            CloudOptions(folder=folder, ports=default_ports(offset), functions=host == "local")
        ) as cloud:
            _make_containers(cloud)
            _print_addresses(cloud, folder, functions=host == "local")
            with suppress(KeyboardInterrupt):
                _wait_until_stopped(cloud)
    except ServiceFailedError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename} cannot be used ({error.strerror}). Choose another --folder.")
    except KeyboardInterrupt:
        console.print("stopped")


@app.command()
def demo(
    video: Annotated[Path | None, typer.Argument(help="The video to restyle; default: the sample.")] = None,
    style: Annotated[Path | None, typer.Option(help="The style image; default: the sample.")] = None,
    out: Annotated[Path | None, typer.Option(help="The output file; default: out/VIDEO_by_STYLE.mp4.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--with", help="Option for `restyle`, for example --strength=0.7. Repeatable.")
    ] = None,
) -> None:
    """Restyle one video end to end on this machine and print the path of the result."""
    samples = LOCAL / "samples"
    if (video is None or style is None) and not (samples / "painting.jpg").is_file():
        console.print("creating the sample files (once) …")
        subprocess.run([sys.executable, "-m", "samples.make_samples", str(samples)], cwd=PROJECT, check=True)
    video, style = video or samples / "sailing.mp4", style or samples / "painting.jpg"
    if out is None:  # a file of an earlier demo
        out, options = PROJECT / "out" / f"{video.stem}_by_{style.stem}.mp4", [*(options or []), "--overwrite"]
    LOCAL.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    scratch = Path(tempfile.mkdtemp(prefix="demo-", dir=LOCAL))
    try:
        with running_cloud(CloudOptions(folder=scratch, ports=FREE_PORTS)) as cloud:
            _make_containers(cloud)
            code = _restyle(cloud, video, style=style, out=out, scratch=scratch, extra_options=options or [])
    except ServiceFailedError as error:
        _fail(str(error))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    raise typer.Exit(code)


def _restyle(cloud: Cloud, video: Path, *, style: Path, out: Path, scratch: Path, extra_options: list[str]) -> int:
    argv = ["restyle", str(video.resolve()), "--style", str(style.resolve()), "--out", str(out.resolve())]
    argv += ["--api", cloud.api, "--scratch", str(scratch / "split"), *extra_options]
    return _frame_tools(cloud, *argv)


def _make_containers(cloud: Cloud) -> None:
    if _frame_tools(cloud, "make-containers") != 0:
        raise ServiceFailedError("The blob containers could not be created; the output above gives the reason")


def _frame_tools(cloud: Cloud, *argv: str) -> int:
    command = [sys.executable, "-m", "frame_tools", *argv]
    return subprocess.run(command, cwd=PROJECT, env={**os.environ, **cloud.settings}, check=False).returncode


def _print_addresses(cloud: Cloud, folder: Path, *, functions: bool) -> None:
    console.print(f"storage     http://127.0.0.1:{cloud.ports.blob}/devstoreaccount1 (any tool's development storage)")
    console.print(f"Batch       http://127.0.0.1:{cloud.ports.batch}")
    console.print(f"app         {cloud.api}" if functions else "app         run `func start` in this folder")
    console.print(f"logs        {folder / 'logs'}")
    console.print(f"task slots  1, running {SCORER_PYTHON}/python. Press Ctrl-C to stop everything.")


def _wait_until_stopped(cloud: Cloud) -> None:
    """Return when a service has ended on its own."""
    while (service := cloud.stopped_service()) is None:
        time.sleep(0.5)
    raise ServiceFailedError(
        f"{service.name} ended (exit code {service.exit_code}). {service.log} says:\n{service.output()[-1500:]}"
    )


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str) -> None:
    console.print(message, style="red", markup=False)
    raise typer.Exit(FAILED)


def main() -> None:
    """Run the command line."""
    app()
