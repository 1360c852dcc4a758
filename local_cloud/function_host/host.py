"""The host: connects an app's functions to their listeners, runs them and shuts down gracefully.

On SIGTERM or SIGINT it accepts no new work and waits for what is running. Work that is still running then comes back
as after a crash: messages become visible again and locks expire. SIGUSR1 kills the worker processes, as running out of
memory would (fault injection).
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any

from aiohttp import web

from local_cloud.function_host.config.options import ExitCode, HostOptions
from local_cloud.function_host.config.settings import HostSettings
from local_cloud.function_host.invocation.bindings import Bindings
from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.invoker import Invoker
from local_cloud.function_host.invocation.worker import Worker
from local_cloud.function_host.storage.clients import Storage
from local_cloud.function_host.storage.locks import SingletonLocks
from local_cloud.function_host.triggers.blob.receipts import BlobReceipts
from local_cloud.function_host.triggers.blob.scanner import BlobScanner
from local_cloud.function_host.triggers.blob.trigger import BlobQueue, BlobTrigger
from local_cloud.function_host.triggers.event_grid.webhook import EventGridWebhook
from local_cloud.function_host.triggers.http.cors import Cors
from local_cloud.function_host.triggers.http.keys import Keys
from local_cloud.function_host.triggers.http.routes import Route
from local_cloud.function_host.triggers.http.server import HttpServer
from local_cloud.function_host.triggers.queue.listener import QueueListener
from local_cloud.function_host.triggers.queue.trigger import queue_listener
from local_cloud.function_host.triggers.timer.trigger import Timer

DRAIN_SECONDS = 10.0
_RETRYABLE = {"timertrigger"}
_SUPPORTED = {"httptrigger", "queuetrigger", "blobtrigger", "timertrigger", "eventgridtrigger", "warmuptrigger"}
_log = logging.getLogger(__name__)


class Host:
    """A loaded and wired app. Create it on the event loop that runs it."""

    def __init__(self, settings: HostSettings, options: HostOptions, *, worker: Worker) -> None:
        """Connect the functions. Raises a ValueError for an invalid function if the options say `strict`."""
        self._settings = settings
        self._options = options
        self._worker = worker
        self._functions: list[Function] = []
        self._disabled = [f.name for f in worker.functions if settings.is_disabled(f.name)]
        self._stopping = asyncio.Event()
        self._storage = Storage(settings)
        self._bindings = Bindings(settings, self._storage)
        self._invoker = Invoker(worker, self._bindings, timeout=settings.host_json.function_timeout)
        self._timers: list[Timer] = []
        self._queues: list[QueueListener] = []
        self._blob_triggers: list[BlobTrigger] = []
        self._routes: list[Route] = []
        self._event_functions: list[Function] = []
        self._warmup_functions: list[Function] = []
        for function in worker.functions:
            if not settings.is_disabled(function.name):
                self._try_connect(function)
        self._blob_queue = BlobQueue(self._blob_triggers, self._invoker, settings, self._storage)

    def _try_connect(self, function: Function) -> None:
        """Connect a function to its trigger; like the real host, disable an invalid one unless the host is strict."""
        try:
            self._bindings.check(function)
            self._connect(function)
        except ValueError as error:
            if self._options.strict:
                raise
            _log.error("The function %s is disabled, because it is invalid: %s", function.name, error)
            self._disabled.append(function.name)
        else:
            self._functions.append(function)

    def _connect(self, function: Function) -> None:
        settings = self._settings
        if function.trigger.type in ("timertrigger", "blobtrigger"):
            settings.connection_string(None)  # locks, receipts and timer status need the host's own storage
        match function.trigger.type:
            case "timertrigger":
                self._timers.append(Timer(function, self._invoker, settings=settings, storage=self._storage))
            case "queuetrigger":
                self._queues.append(self._queue_listener(function))
            case "blobtrigger":
                settings.connection_string(function.trigger.connection)
                self._blob_triggers.append(BlobTrigger.of(function, settings))
            case "httptrigger":
                self._routes.append(Route.of(function, settings.host_json.extensions.http.route_prefix))
            case "eventgridtrigger":
                self._event_functions.append(function)
            case "warmuptrigger":
                self._warmup_functions.append(function)

    async def run(self, listening: socket.socket) -> ExitCode:
        """Serve on the bound socket until a stop signal. Return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._worker.crash)
        runner = web.AppRunner(self._server().application(), access_log=None, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        self._log_startup(listening.getsockname()[1])
        if self._options.storage_hints:
            await self._storage.hints.listen(listening.getsockname()[1])
        listeners = [asyncio.create_task(work) for work in self._listeners()]
        try:
            await self._wait(listeners)
            _log.info("Stopping: waiting up to %.0f s for running functions", DRAIN_SECONDS)
            await asyncio.gather(runner.cleanup(), _drain(listeners))
            return ExitCode.STOPPED
        finally:
            await self._storage.close()
            await self._worker.close()

    async def _wait(self, listeners: list[asyncio.Task[None]]) -> None:
        """Wait until the host must end. Raises the exception of a failed listener, which is a bug."""
        stop = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([stop, *listeners], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
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
            event_webhook=EventGridWebhook(self._event_functions, self._invoker),
            warmup_functions=self._warmup_functions,
            timers=self._timers,
            keys=keys,
            host_id=self._settings.host_id,
            cors=Cors.parse(
                self._options.cors_origins or self._settings.cors_origins,
                with_credentials=self._settings.cors_credentials,
            ),
            max_body_bytes=self._settings.max_body_bytes,
        )

    def _queue_listener(self, function: Function) -> QueueListener:
        return queue_listener(
            function,
            self._invoker,
            settings=self._settings,
            storage=self._storage,
            duplicate_seed=self._options.duplicate_seed,
        )

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
            _log.info("  %s: disabled", name)
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
