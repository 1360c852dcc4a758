"""The subset of the Core Tools command line that this project uses: `host start` or `start`, in the app's folder."""

import argparse
import asyncio
import errno
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from local_cloud.function_host.config.options import ExitCode, HostOptions
from local_cloud.function_host.config.settings import HostSettings, local_http_port, read_settings
from local_cloud.function_host.console import Console
from local_cloud.function_host.invocation.values import AppLoadError
from local_cloud.function_host.invocation.worker import Worker
from local_cloud.lasting_imports import lasting_imports

if TYPE_CHECKING:
    from local_cloud.function_host.host import Host

_DEFAULT_PORT = 7071
_log = logging.getLogger(__name__)
_EXAMPLES = """examples:
  python -m local_cloud.function_host host start --port 7071 --verbose
  python -m local_cloud.function_host start --enableAuth
  python -m local_cloud.function_host start --port 0 --duplicate-deliveries 7   (for tests)

exit codes:
  0 stopped, 2 port in use or invalid arguments, 3 settings (with --strict: app or functions) not loadable
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the host and exit the process with an `ExitCode`."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command not in (["host", "start"], ["start"]):
        parser.error(f"unknown command {' '.join(options.command)!r}; use `host start`")
    port = _port(options.port)
    try:
        asyncio.run(_run(options, _bind(port)))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        _fail(ExitCode.PORT_IN_USE, f"Port {port} is in use. Stop the program that listens on it or use --port N.")


def _port(option: int | None) -> int:
    if option is not None:
        return option
    try:
        configured = local_http_port(Path.cwd())
    except ValueError as error:
        _fail(ExitCode.NOT_LOADED, f"The app cannot be loaded. {error}")
    return _DEFAULT_PORT if configured is None else configured


async def _run(options: argparse.Namespace, listening: socket.socket) -> NoReturn:
    console = Console(sys.stdout)
    try:
        settings = read_settings(Path.cwd(), os.environ)
        console.install(verbose=options.verbose)
        host_options = HostOptions(
            enable_auth=options.enableAuth,
            duplicate_seed=options.duplicate_seed,
            cors_origins=options.cors,
            strict=options.strict,
            storage_hints=options.storage_hints,
        )
        # The host's libraries are imported while the worker process imports the app.
        worker, host_class = await asyncio.gather(
            _load_worker(settings, strict=options.strict), asyncio.to_thread(_import_host)
        )
        host = host_class(settings, host_options, worker=worker)
    except (AppLoadError, ValueError) as error:
        _fail(ExitCode.NOT_LOADED, f"The app cannot be loaded. {error}")
    _exit(await host.run(listening))


async def _load_worker(settings: HostSettings, *, strict: bool) -> Worker:
    """Load the app. Raises AppLoadError if it must be loadable, else goes on without functions."""
    try:
        return await Worker.load(settings.root, settings.values, processes=settings.worker_processes)
    except AppLoadError as error:
        if strict:
            raise
        _log.error("The app cannot be loaded, so the host runs without functions. %s", error)
        return Worker([], ())


def _import_host() -> "type[Host]":
    with lasting_imports():
        from local_cloud.function_host.host import Host

    return Host


def _bind(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    return listening


def _fail(code: ExitCode, message: str) -> NoReturn:
    print(message, file=sys.__stderr__, flush=True)
    _exit(code)


def _exit(code: ExitCode) -> NoReturn:
    """Exit the process at once; a normal exit would wait for the threads of running functions."""
    sys.stdout.flush()
    os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="function_host",
        description="Run the Azure Functions app in the current folder on this machine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="+", metavar="[host] start")
    parser.add_argument("--port", "-p", type=int, help="port on 127.0.0.1 (default: LocalHttpPort, else 7071; 0: free)")
    parser.add_argument("--verbose", action="store_true", help="show the host's debug log too")
    parser.add_argument("--cors", default="", metavar="ORIGINS", help="allowed origins, separated by commas, or *")
    parser.add_argument(
        "--strict", action="store_true", help="exit with code 3 if the app or one of its functions cannot be loaded"
    )
    parser.add_argument(
        "--storage-hints", action="store_true", help="receive hints of the local Azurite about writes (UDP, same port)"
    )
    parser.add_argument("--enableAuth", action="store_true", help="require access keys")
    parser.add_argument(
        "--duplicate-deliveries",
        "--mischief",
        dest="duplicate_seed",
        type=int,
        metavar="SEED",
        help="deliver each message one to five times, out of order (for tests)",
    )
    return parser
