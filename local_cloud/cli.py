"""`python -m local_cloud up` keeps the local cloud running; `demo` runs one video through it and stops it again."""

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

app = typer.Typer(help="The cloud on one machine.", no_args_is_help=True, add_completion=False)
console = Console(stderr=True)
LOCAL = PROJECT / ".local"
FAILED = 1


@app.command()
def up(
    host: Annotated[
        str, typer.Option(help="local: our function host; func: none, run `func start` yourself.")
    ] = "local",
    folder: Annotated[Path, typer.Option(help="Where blobs, queues and tasks are kept.")] = LOCAL / "cloud",
    offset: Annotated[
        int, typer.Option(min=0, max=50_000, help="Added to every port, for a second cloud beside the first.")
    ] = 0,
) -> None:
    """Start the local cloud on its usual ports and keep it running until Ctrl-C."""
    if host not in ("local", "func"):
        raise typer.BadParameter(f"there is no host {host!r}; there are: local, func", param_hint="--host")
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)  # a shell hands it on as ignored to what it starts with `&`
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
        _fail(f"{error.filename} can't be used ({error.strerror}). Give another --folder.")
    except KeyboardInterrupt:
        console.print("stopped")


@app.command()
def demo(
    video: Annotated[Path | None, typer.Argument(help="Your video; default: the sample.")] = None,
    style: Annotated[Path | None, typer.Option(help="Your painting; default: the sample.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to put the video.")] = None,
    options: Annotated[list[str] | None, typer.Option("--with", help="Passed on to restyle, as --strength=0.7")] = None,
) -> None:
    """Restyle one video from end to end on this machine and print the path of the result."""
    samples = LOCAL / "samples"
    if (video is None or style is None) and not (samples / "painting.jpg").is_file():
        console.print("drawing the samples (once) …")
        subprocess.run([sys.executable, str(PROJECT / "samples" / "make_samples.py"), str(samples)], check=True)
    video, style = video or samples / "sailing.mp4", style or samples / "painting.jpg"
    out = out or PROJECT / "out" / f"{video.stem}_by_{style.stem}.mp4"
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
        raise ServiceFailedError("The containers could not be made")


def _frame_tools(cloud: Cloud, *argv: str) -> int:
    command = [sys.executable, "-m", "frame_tools", *argv]
    return subprocess.run(command, cwd=PROJECT, env={**os.environ, **cloud.settings}, check=False).returncode


def _print_addresses(cloud: Cloud, folder: Path, *, functions: bool) -> None:
    console.print(f"storage     http://127.0.0.1:{cloud.ports.blob}/devstoreaccount1 (any tool's development storage)")
    console.print(f"Batch       http://127.0.0.1:{cloud.ports.batch}")
    console.print(f"app         {cloud.api}" if functions else "app         run `func start` in this folder")
    console.print(f"logs        {folder / 'logs'}")
    console.print(f"task slots  1, painting with {SCORER_PYTHON}/python. Ctrl-C stops all of this.")


def _wait_until_stopped(cloud: Cloud) -> None:
    """Sleep until something ends by itself."""
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
