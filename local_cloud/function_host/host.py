"""The host: connects an app's functions to their listeners, runs them and shuts down gracefully.

On SIGTERM or SIGINT it accepts no new work and waits for what is running. Work that is still running then comes back
as after a crash: messages become visible again and locks expire.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any

from aiohttp import web

from local_cloud.function_host.config.settings import HostSettings
from local_cloud.function_host.console import Console
from local_cloud.function_host.invocation.bindings import Bindings
from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.invoker import Invoker
from local_cloud.function_host.invocation.worker import Worker
from local_cloud.function_host.storage.clients import Storage
from local_cloud.function_host.storage.locks import SingletonLocks
from local_cloud.function_host.triggers.blob.receipts import BlobReceipts
from local_cloud.function_host.triggers.blob.scanner import BlobScanner
from local_cloud.function_host.triggers.blob.trigger import BlobQueue, BlobTrigger
from local_cloud.function_host.triggers.http.keys import Keys
from local_cloud.function_host.triggers.http.routes import Route
from local_cloud.function_host.triggers.http.server import HttpServer
from local_cloud.function_host.triggers.queue.listener import QueueListener
from local_cloud.function_host.triggers.queue.trigger import queue_listener
from local_cloud.function_host.triggers.timer.trigger import Timer

DRAIN_SECONDS = 10.0
_RETRYABLE = {"timertrigger"}
_SUPPORTED = {"httptrigger", "queuetrigger", "blobtrigger", "timertrigger"}
_log = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """Exit codes of the host's process."""

    STOPPED = 0
    """The host was asked to stop and did."""
    PORT_IN_USE = 2
    """Another process listens on the port; also the code for invalid arguments."""
    NOT_LOADED = 3
    """The app, host.json or a setting cannot be used."""
    FUNCTION_TIMEOUT = 4
    """A function exceeded functionTimeout; a running Python thread cannot be stopped, so the process exits."""


@dataclass(frozen=True)
class HostOptions:
    """Command-line options of the host."""

    enable_auth: bool = False
    duplicate_seed: int | None = None


class Host:
    """A loaded and wired app. Create it with `Host.load` on the event loop that runs it."""

    def __init__(self, settings: HostSettings, options: HostOptions, *, worker: Worker, console: Console) -> None:
        """Wire everything. Raises a ValueError for an invalid setting, schedule, route or path."""
        self._settings = settings
        self._options = options
        self._functions = tuple(f for f in worker.functions if not settings.is_disabled(f.name))
        self._disabled = [f.name for f in worker.functions if settings.is_disabled(f.name)]
        self._stopping = asyncio.Event()
        self._timed_out = asyncio.Event()
        self._storage = Storage(settings)
        bindings = Bindings(settings, self._storage)
        for function in self._functions:
            bindings.check(function)
        self._invoker = Invoker(
            worker,
            bindings,
            console=console,
            timeout=settings.host_json.function_timeout,
            on_timeout=self._timed_out.set,
        )
        self._timers = [
            Timer(function, self._invoker, settings=settings, storage=self._storage)
            for function in self._triggered_by("timertrigger")
        ]
        self._queues = [self._queue_listener(function) for function in self._triggered_by("queuetrigger")]
        self._blob_triggers = [BlobTrigger.of(function, settings) for function in self._triggered_by("blobtrigger")]
        if self._timers or self._blob_triggers:
            settings.connection_string(None)  # locks, receipts and timer status need the host's own storage
        self._blob_queue = BlobQueue(self._blob_triggers, self._invoker, settings, self._storage)
        prefix = settings.host_json.extensions.http.route_prefix
        self._routes = [Route.of(function, prefix) for function in self._triggered_by("httptrigger")]

    @classmethod
    async def load(cls, settings: HostSettings, options: HostOptions, *, console: Console) -> "Host":
        """Load and wire the app. Raises AppLoadError or ValueError with the cause."""
        return cls(settings, options, worker=await Worker.load(settings.root), console=console)

    async def run(self, listening: socket.socket) -> ExitCode:
        """Serve on the bound socket until a stop signal or a function's timeout. Return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        runner = web.AppRunner(self._server().application(), access_log=None, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        self._log_startup(listening.getsockname()[1])
        listeners = [asyncio.create_task(work) for work in self._listeners()]
        try:
            await self._wait(listeners)
            if self._timed_out.is_set():
                return ExitCode.FUNCTION_TIMEOUT
            _log.info("Stopping: waiting up to %.0f s for running functions", DRAIN_SECONDS)
            await asyncio.gather(runner.cleanup(), _drain(listeners))
            return ExitCode.STOPPED
        finally:
            await self._storage.close()

    async def _wait(self, listeners: list[asyncio.Task[None]]) -> None:
        """Wait until the host must end. Raises the exception of a failed listener, which is a bug."""
        ends = [asyncio.create_task(event.wait()) for event in (self._stopping, self._timed_out)]
        done, _ = await asyncio.wait([*ends, *listeners], return_when=asyncio.FIRST_COMPLETED)
        for task in ends:
            task.cancel()
        for listener in done.intersection(listeners):
            listener.result()

    def _listeners(self) -> list[Coroutine[Any, Any, None]]:
        singletons = SingletonLocks(self._storage, self._settings.host_id)
        works = [queue.run(self._stopping) for queue in self._queues]
        for timer in self._timers:
            name = f"{timer.function.host_name}.Listener"
            works.append(singletons.run(name, partial(timer.run, self._stopping), stopping=self._stopping))
        if self._blob_triggers:
            works.append(self._blob_queue.listener(self._options.duplicate_seed).run(self._stopping))
        if scanned := [trigger for trigger in self._blob_triggers if trigger.is_scanned]:
            receipts = BlobReceipts(self._storage, self._settings.host_id)
            scanner = BlobScanner(scanned, self._blob_queue, receipts=receipts, storage=self._storage)
            works.append(singletons.run("BlobScan", partial(scanner.run, self._stopping), stopping=self._stopping))
        return works

    def _server(self) -> HttpServer:
        keys = None
        if self._options.enable_auth:
            keys, generated = Keys.from_settings(self._settings.values)
            for name, key in generated.items():
                _log.info("%s is not set; the generated key is %s", name, key)
        return HttpServer(
            self._routes,
            self._invoker,
            blob_queue=self._blob_queue,
            timers=self._timers,
            keys=keys,
            host_id=self._settings.host_id,
        )

    def _queue_listener(self, function: Function) -> QueueListener:
        return queue_listener(
            function,
            self._invoker,
            settings=self._settings,
            storage=self._storage,
            duplicate_seed=self._options.duplicate_seed,
        )

    def _triggered_by(self, trigger: str) -> list[Function]:
        return [function for function in self._functions if function.trigger.type == trigger]

    def _log_startup(self, port: int) -> None:
        for function in self._functions:
            _log.info("  %s: %s", function.name, function.trigger.arguments["type"])
            if function.trigger.type not in _SUPPORTED:
                _log.warning("  %s is not started: this host does not support %s", function.name, function.trigger.type)
            if function.retry is not None and function.trigger.type not in _RETRYABLE:
                _log.warning("  %s: this host retries timers only, so @app.retry has no effect", function.name)
        if not self._functions:
            _log.warning("The app has no functions")
        for name in self._disabled:
            _log.info("  %s: disabled by the setting AzureWebJobs.%s.Disabled", name, name)
        for name in self._settings.ignored:
            _log.warning("%s is not supported by this host and has no effect", name)
        if self._options.duplicate_seed is not None:
            _log.warning(
                "Duplicate delivery (seed %d), for tests only: each message comes one to five times, out of order.",
                self._options.duplicate_seed,
            )
        _log.info("Host id %s", self._settings.host_id)
        _log.info("Host started on http://127.0.0.1:%d", port)


async def _drain(listeners: list[asyncio.Task[None]]) -> None:
    if not listeners:
        return
    done, late = await asyncio.wait(listeners, timeout=DRAIN_SECONDS)
    for task in late:
        task.cancel()
    if late:
        _log.warning("%d listeners were still busy; their messages will be delivered again", len(late))
        await asyncio.wait(late)
    for task in done:
        task.result()
