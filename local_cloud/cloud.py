"""The local cloud as one context manager: Azurite, the Batch service and, unless disabled, the function host.

Each is a separate process, as in Azure; they know each other by address only.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from local_cloud.accounts import (
    DATA_ACCOUNT,
    DATA_KEY,
    NODE_IMAGE,
    OPS_ACCOUNT,
    OPS_KEY,
    POOL_ID,
    Ports,
    app_settings,
    storage_settings,
)
from local_cloud.service_process import ServiceFailedError, ServiceProcess
from local_cloud.storage_setup import allow_uploads, make_containers

PROJECT: Final = Path(__file__).resolve().parents[1]
AZURITE: Final = PROJECT / "node_modules" / ".bin" / "azurite"
AZURITE_PRELOADS: Final = PROJECT / "local_cloud" / "azurite"
SCORER_PYTHON: Final = PROJECT / ".venv-scoring" / "bin"
SCORER_IMPORTS: Final = ("scoring.cli", "scoring.tasks.score", "scoring.scorers.any_painting.scorer")
"""What the tasks of most runs import."""
REQUEST_SECONDS: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class CloudOptions:
    """Options of a local cloud."""

    folder: Path
    """Folder for storage, tasks and logs."""
    ports: Ports = field(default_factory=Ports)
    in_memory: bool = False
    """Keep blobs and queues in memory only."""
    functions: bool = True
    """Run the function host; without it, `func start` can take its place."""
    containers: bool = False
    """Create the blob containers and queues, too."""
    node_image: Path | None = None
    """The description of a node image, which `make image` writes; None runs tasks with this machine's files."""
    nodes: int = 1
    slots: int = 1
    duplicate_seed: int | None = None
    """If set, the function host delivers each message one to five times, out of order, with this random seed."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings that override those of `app_settings`."""
    run_follows: bool = False
    """Whether a run is started as soon as possible: then the scorer is imported while the app is, else after it."""
    proxy_ports: Ports | None = None
    """Ports under which app and tasks reach blobs and queues if not Azurite's own (tests put a proxy there)."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A running local cloud."""

    ports: Ports
    settings: Mapping[str, str]
    services: Mapping[str, ServiceProcess]

    @property
    def api(self) -> str:
        """Base URL of the app's HTTP API."""
        return f"http://127.0.0.1:{self.ports.functions}/api"

    def stopped_service(self) -> ServiceProcess | None:
        """Return a service that has ended on its own, or None."""
        return next((service for service in self.services.values() if service.exit_code is not None), None)


@contextmanager
def running_cloud(options: CloudOptions) -> Iterator[Cloud]:
    """Start the local cloud; stop the launched services in reverse order. Raises ServiceFailedError."""
    ports = allocate_ports(options.ports, functions=options.functions)
    client_ports = _client_ports(options, ports)
    pool = {"POOL_TASKS": str(max(options.nodes * options.slots, 1))}
    settings = {**app_settings(client_ports), **pool, **options.settings}
    services: dict[str, ServiceProcess] = {}
    with ExitStack() as stack:
        for service in _services(options, ports, settings):
            stack.callback(service.stop)
            services[service.name] = service
        # All are launched at once, first the function host, which takes longest: it imports the app, and reads storage
        # later.
        for service in reversed(services.values()):
            service.launch()
        azurite, batch_service, *others = services.values()
        batch_service.wait_until_ready()
        prepares = bool(options.functions and options.nodes)
        if prepares and options.run_follows:
            _prepare_tasks(ports)
        azurite.wait_until_ready()
        _set_up_storage(options, ports)
        for service in others:
            service.wait_until_ready()
        if prepares and not options.run_follows:
            _prepare_tasks(ports)
        yield Cloud(ports=ports, settings=settings, services=services)


def _services(options: CloudOptions, ports: Ports, settings: Mapping[str, str]) -> list[ServiceProcess]:
    services = [azurite_process(options, ports), _batch_service(options, ports)]
    return [*services, _function_host(options, ports, settings)] if options.functions else services


def _set_up_storage(options: CloudOptions, ports: Ports) -> None:
    """Do to the emulator what the templates do to the accounts in Azure. Raises ServiceFailedError."""
    try:
        if options.containers:
            make_containers(ports)
        if options.functions:
            allow_uploads(ports)
    except (OSError, HTTPException) as error:
        raise ServiceFailedError(f"The containers of the storage emulator could not be set up: {error}") from error


def _prepare_tasks(ports: Ports) -> None:
    """Let the Batch service import the scorer. Raises ServiceFailedError."""
    connection = HTTPConnection("127.0.0.1", ports.batch, timeout=REQUEST_SECONDS)
    try:
        connection.request("POST", "/local/prepare")
        connection.getresponse().read()
    except (OSError, HTTPException) as error:
        raise ServiceFailedError(f"The Batch service does not answer: {error}") from error
    finally:
        connection.close()


def node_environment(ports: Ports) -> dict[str, str]:
    """Return the whole environment of a task: the scorer's Python, this project and the storage accounts."""
    return {
        "PATH": f"{SCORER_PYTHON}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        **storage_settings(ports),
    }


def image_description(options: CloudOptions, ports: Ports) -> dict[str, object]:
    """Return what the Batch service is told about the node image. Raises ServiceFailedError if it was not built."""
    if options.node_image is None:
        return {
            "environment": node_environment(ports),
            "prepared": {"module": "scoring", "imports": list(SCORER_IMPORTS)},
        }
    try:
        built = json.loads(options.node_image.read_text(encoding="utf-8"))
    except OSError:
        raise ServiceFailedError(
            f"There is no node image ({options.node_image} is missing). Run `make image`."
        ) from None
    container = {name: built[name] for name in ("root", "user", "working_directory")}
    return {"environment": {**built["environment"], **storage_settings(ports)}, "container": container}


def _client_ports(options: CloudOptions, ports: Ports) -> Ports:
    proxy = options.proxy_ports
    return ports if proxy is None else replace(ports, blob=proxy.blob, queue=proxy.queue, table=proxy.table)


def azurite_process(options: CloudOptions, ports: Ports) -> ServiceProcess:
    """Return the storage emulator, not yet started. Raises ServiceFailedError if it is not installed."""
    if not AZURITE.is_file():
        raise ServiceFailedError(f"Azurite is not installed ({AZURITE} is missing). Run `make setup`.")
    kept = ["--inMemoryPersistence"] if options.in_memory else ["--location", str(options.folder / "azurite")]
    preloads = ["quick_start.cjs", *(["write_hints.cjs"] if options.functions else [])]
    argv = ["node", *(f"--require={AZURITE_PRELOADS / name}" for name in preloads), str(AZURITE)]
    argv += ["--disableTelemetry", "--skipApiVersionCheck", *kept]
    for service in ("blob", "queue", "table"):
        argv += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(getattr(ports, service))]
    accounts = f"{DATA_ACCOUNT}:{DATA_KEY};{OPS_ACCOUNT}:{OPS_KEY}"
    return ServiceProcess(
        "Azurite",
        argv,
        cwd=PROJECT,
        env={**os.environ, "AZURITE_ACCOUNTS": accounts, "LOCAL_CLOUD_HINTS_PORT": str(ports.functions)},
        log=options.folder / "logs" / "azurite.log",
        ready="Table service is successfully listening",
    )


def _batch_service(options: CloudOptions, ports: Ports) -> ServiceProcess:
    data = options.folder / "batch"
    data.mkdir(parents=True, exist_ok=True)
    image = data / "node-image.json"
    image.write_text(json.dumps(image_description(options, _client_ports(options, ports)), indent=1))
    image.chmod(0o600)
    argv = [sys.executable, "-m", "local_cloud.batch_service", "--port", str(ports.batch), "--data", str(data)]
    argv += ["--pool", f"{POOL_ID}:{options.nodes}x{options.slots}", "--image", f"{NODE_IMAGE}={image}"]
    return ServiceProcess(
        "Batch service",
        argv,
        cwd=PROJECT,
        env=os.environ,
        log=options.folder / "logs" / "batch.log",
        ready="Batch service listening on",
    )


def _function_host(options: CloudOptions, ports: Ports, settings: Mapping[str, str]) -> ServiceProcess:
    argv = [sys.executable, "-m", "local_cloud.function_host", "host", "start", "--strict"]
    argv += ["--port", str(ports.functions), "--storage-hints"]
    if options.duplicate_seed is not None:
        argv += ["--duplicate-deliveries", str(options.duplicate_seed)]
    return ServiceProcess(
        "Function host",
        argv,
        cwd=PROJECT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **settings},
        log=options.folder / "logs" / "functions.log",
        ready="Host started on",
    )


def allocate_ports(ports: Ports, *, functions: bool) -> Ports:
    """Replace each port 0 by a free port. Raises ServiceFailedError if a requested port is in use."""
    chosen: dict[str, int] = {}
    held: list[socket.socket] = []
    try:
        for name in ("blob", "queue", "table", "batch", "functions"):
            port = getattr(ports, name)
            if name == "functions" and not functions:
                chosen[name] = port
                continue
            held.append(probe := socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise ServiceFailedError(
                    f"Port {port} ({name}) is in use. Stop that program (another `make up`?) or use --offset."
                ) from None
            chosen[name] = probe.getsockname()[1]
    finally:
        for probe in held:
            probe.close()
    return replace(ports, **chosen)
