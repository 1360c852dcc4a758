"""The whole local cloud as one context: Azurite, the Batch service and, unless told otherwise, the function host.

Each is a program of its own, as in Azure; they know each other by addresses alone.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
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
from local_cloud.child import Child, ChildFailedError

PROJECT: Final = Path(__file__).resolve().parents[1]
AZURITE: Final = PROJECT / "node_modules" / ".bin" / "azurite"
SCORER_PYTHON: Final = PROJECT / ".venv-scoring" / "bin"


@dataclass(frozen=True, kw_only=True)
class CloudOptions:
    """What kind of local cloud to run."""

    folder: Path
    """Where storage, tasks and logs are kept."""
    ports: Ports = field(default_factory=Ports)
    in_memory: bool = False
    """Keep blobs and queues in memory only."""
    functions: bool = True
    """Run the function host; without it, `func start` can take its place."""
    nodes: int = 1
    slots: int = 1
    mischief: int | None = None
    """Seed with which the function host delivers every message one to five times, shuffled."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Laid over the app's settings."""
    front: Ports | None = None
    """Where app and tasks find blobs and queues, if that is not Azurite itself (a proxy, in tests)."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A running local cloud."""

    ports: Ports
    settings: Mapping[str, str]
    children: Mapping[str, Child]

    @property
    def api(self) -> str:
        """URL of the app's HTTP interface."""
        return f"http://127.0.0.1:{self.ports.functions}/api"

    def ended(self) -> Child | None:
        """Return a program that has ended though nobody asked it to."""
        return next((child for child in self.children.values() if child.exit_code is not None), None)


@contextmanager
def running_cloud(options: CloudOptions) -> Iterator[Cloud]:
    """Start the local cloud, and stop what was started, in reverse order. Raises ChildFailedError."""
    ports = _taken_or_free(options.ports, functions=options.functions)
    seen = _seen_from_outside(options, ports)
    settings = {**app_settings(seen), **options.settings}
    children: dict[str, Child] = {}
    with ExitStack() as stack:

        def run(child: Child) -> None:
            stack.callback(child.stop)
            child.start()
            children[child.name] = child

        run(_azurite(options, ports))
        run(_batch_service(options, ports))
        if options.functions:
            run(_function_host(options, ports, settings))
        yield Cloud(ports=ports, settings=settings, children=children)


def node_environment(ports: Ports) -> dict[str, str]:
    """Return the whole environment of a task: the scorer's Python, the project, the storage accounts."""
    return {
        "PATH": f"{SCORER_PYTHON}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        **storage_settings(ports),
    }


def _seen_from_outside(options: CloudOptions, ports: Ports) -> Ports:
    front = options.front
    return ports if front is None else replace(ports, blob=front.blob, queue=front.queue, table=front.table)


def _azurite(options: CloudOptions, ports: Ports) -> Child:
    if not AZURITE.is_file():
        raise ChildFailedError("Azurite is not installed. Run: make setup")
    kept = ["--inMemoryPersistence"] if options.in_memory else ["--location", str(options.folder / "azurite")]
    argv = [str(AZURITE), "--disableTelemetry", "--skipApiVersionCheck", *kept]
    for service in ("blob", "queue", "table"):
        argv += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(getattr(ports, service))]
    accounts = f"{DATA_ACCOUNT}:{DATA_KEY};{OPS_ACCOUNT}:{OPS_KEY}"
    return Child(
        "Azurite",
        argv,
        cwd=PROJECT,
        env={**os.environ, "AZURITE_ACCOUNTS": accounts},
        log=options.folder / "logs" / "azurite.log",
        ready="Table service is successfully listening",
    )


def _batch_service(options: CloudOptions, ports: Ports) -> Child:
    data = options.folder / "batch"
    data.mkdir(parents=True, exist_ok=True)
    image = data / "node-image.json"
    image.write_text(json.dumps(node_environment(_seen_from_outside(options, ports)), indent=1))
    image.chmod(0o600)
    argv = [sys.executable, "-m", "local_cloud.batch_service", "--port", str(ports.batch), "--data", str(data)]
    argv += ["--pool", f"{POOL_ID}:{options.nodes}x{options.slots}", "--image", f"{NODE_IMAGE}={image}"]
    return Child(
        "Batch service",
        argv,
        cwd=PROJECT,
        env=os.environ,
        log=options.folder / "logs" / "batch.log",
        ready="Batch service listening on",
    )


def _function_host(options: CloudOptions, ports: Ports, settings: Mapping[str, str]) -> Child:
    argv = [sys.executable, "-m", "local_cloud.function_host", "host", "start", "--port", str(ports.functions)]
    if options.mischief is not None:
        argv += ["--mischief", str(options.mischief)]
    return Child(
        "Function host",
        argv,
        cwd=PROJECT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **settings},
        log=options.folder / "logs" / "functions.log",
        ready="Host started on",
    )


def _taken_or_free(ports: Ports, *, functions: bool) -> Ports:
    """Fill in free ports for zeros; raises ChildFailedError in words if a wished port is in use."""
    chosen: dict[str, int] = {}
    held: list[socket.socket] = []
    try:
        for name in ("blob", "queue", "table", "batch", "functions"):
            wished = getattr(ports, name)
            if name == "functions" and not functions:
                chosen[name] = wished
                continue
            held.append(probe := socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wished))
            except OSError:
                raise ChildFailedError(
                    f"Port {wished} ({name}) is in use. Stop the program that listens there (another `make up`?)."
                ) from None
            chosen[name] = probe.getsockname()[1]
    finally:
        for probe in held:
            probe.close()
    return replace(ports, **chosen)
