"""The command `up`: run the local cloud until Ctrl-C. `impasto up`, `impasto demo` and `make up` start it."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from local_cloud.accounts import FREE_PORTS, default_ports
from local_cloud.cloud import PROJECT, SCORER_PYTHON, Cloud, CloudOptions, running_cloud
from local_cloud.connection import default_file, published
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
NodeOption = Annotated[
    str,
    typer.Option(help="host: tasks run with this machine's files; image: in the node image that `make image` built."),
]


@app.callback()
def local_cloud() -> None:
    """Run Storage, Batch and Functions on this machine."""


@app.command()
def up(
    host: Annotated[
        str, typer.Option(help="local: this project's function host; func: no host, run `func start` yourself.")
    ] = "local",
    folder: Annotated[Path, typer.Option(help="Folder for blobs, queues, tasks and logs.")] = LOCAL / "cloud",
    offset: Annotated[
        int, typer.Option(min=0, max=50_000, help="Added to every port, to run a second local cloud beside the first.")
    ] = 0,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Use any free ports instead.")] = False,
    connection: Annotated[
        Path | None, typer.Option(help="File in which commands find this cloud; default: in the user's folder.")
    ] = None,
    stop_with_input: Annotated[
        bool, typer.Option("--stop-with-input", help="Stop when the standard input ends, for programs that start it.")
    ] = False,
    run_follows: Annotated[
        bool, typer.Option("--run-follows", help="Import the scorer at once, for programs that start a run at once.")
    ] = False,
    node: NodeOption = "host",
) -> None:
    """Start the local cloud on its default ports and keep it running until Ctrl-C."""
    if host not in ("local", "func"):
        raise typer.BadParameter(f"{host!r} is not a host; use local or func", param_hint="--host")
    node_image = _node_image(node)
    signal.signal(signal.SIGTERM, _interrupt)
    # A shell starts background jobs (`&`) with SIGINT ignored, so SIGINT is handled explicitly.
    signal.signal(signal.SIGINT, _interrupt)
    if stop_with_input:
        threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    ports = FREE_PORTS if free_ports else default_ports(offset)
    try:
        options = CloudOptions(
            folder=folder,
            ports=ports,
            functions=host == "local",
            containers=True,
            node_image=node_image,
            run_follows=run_follows,
        )
        with running_cloud(options) as cloud, published(cloud, connection or default_file(os.environ)):
            _print_addresses(cloud, options)
            with suppress(KeyboardInterrupt):
                _wait_until_stopped(cloud)
    except ServiceFailedError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename} cannot be used ({error.strerror}). Choose another --folder.")
    except KeyboardInterrupt:
        console.print("stopped")


def _node_image(node: str) -> Path | None:
    if node not in ("host", "image"):
        raise typer.BadParameter(f"{node!r} is not a node; use host or image", param_hint="--node")
    return LOCAL / "image" / "image.json" if node == "image" else None


def _print_addresses(cloud: Cloud, options: CloudOptions) -> None:
    tasks = f"{SCORER_PYTHON}/python" if options.node_image is None else "the node image"
    console.print(f"storage     http://127.0.0.1:{cloud.ports.blob}/devstoreaccount1 (any tool's development storage)")
    console.print(f"Batch       http://127.0.0.1:{cloud.ports.batch}")
    console.print(f"app         {cloud.api}" if options.functions else "app         run `func start` in this folder")
    console.print(f"logs        {options.folder / 'logs'}")
    console.print(f"task slots  1, running {tasks}. Press Ctrl-C to stop everything.")


def _wait_until_stopped(cloud: Cloud) -> None:
    """Return when a service has ended on its own."""
    while (service := cloud.stopped_service()) is None:
        time.sleep(0.5)
    raise ServiceFailedError(
        f"{service.name} ended (exit code {service.exit_code}). {service.log} says:\n{service.output()[-1500:]}"
    )


def _stop_at_end_of_input() -> None:
    """Interrupt this process once the program that started it has closed the pipe or has died."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str) -> None:
    console.print(message, style="red", markup=False)
    raise typer.Exit(FAILED)


def main() -> None:
    """Run the command line."""
    app()
