"""The worker processes that execute the app's functions, as the real host has them.

A process that exceeds functionTimeout is killed and started again after two seconds; the other calls in it are not
failed at once, they end by their own timeouts. If a process dies by itself (`os._exit`, out of memory), its calls fail
at once, so each of them costs one delivery of its message, and a new process starts after 0.4 seconds.
Source: Azure/azure-functions-host, src/WebJobs.Script/Workers (and measured on a real host)
"""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from local_cloud.function_host.invocation import channel
from local_cloud.function_host.invocation.channel import Answer, Call, Loaded
from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.values import AppLoadError, InvocationResult

_POLL_SECONDS = 0.02
_RESTART_SECONDS = 0.4
_RESTART_AFTER_TIMEOUT_SECONDS = 2.0
_PROJECT = Path(__file__).resolve().parents[3]
_log = logging.getLogger(__name__)


@dataclass
class _Process:
    """A worker process that has loaded the app, and the calls in it."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    functions: tuple[Function, ...]
    calls: dict[str, asyncio.Future[InvocationResult]] = field(default_factory=dict)
    is_killed_by_host: bool = False
    is_over: bool = False

    async def call(self, call: Call) -> InvocationResult:
        """Execute a call. Returns a failure if the process dies meanwhile."""
        if self.is_over:
            return InvocationResult(ok=False, error="the worker process has ended")
        future: asyncio.Future[InvocationResult] = asyncio.get_running_loop().create_future()
        self.calls[call.invocation_id] = future
        try:
            self.writer.write(channel.write(call))
            return await future
        finally:
            self.calls.pop(call.invocation_id, None)

    async def run(self) -> int:
        """Distribute the results until the process has ended; return its exit code."""
        while isinstance(answer := await channel.read(self.reader), Answer):
            future = self.calls.get(answer.invocation_id)
            if future is not None and not future.done():
                future.set_result(answer.result)
        self.is_over = True
        self.writer.close()
        return await self.process.wait()

    def kill(self) -> None:
        """Kill the process because a call exceeded its timeout; it may have ended already."""
        if self.process.returncode is None and not self.is_killed_by_host:
            self.is_killed_by_host = True
            self.process.kill()

    def fail_calls(self, reason: str) -> None:
        """Fail all calls in progress."""
        for future in self.calls.values():
            if not future.done():
                future.set_result(InvocationResult(ok=False, error=reason))


class _Slot:
    """One of the worker processes, over all its restarts."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._current: asyncio.Future[_Process] = asyncio.get_running_loop().create_future()
        self._supervision: asyncio.Task[None] | None = None

    @property
    def load(self) -> int:
        """The number of calls in progress; a process that is not running counts as busy."""
        return len(self._current.result().calls) if self._current.done() else sys.maxsize

    async def start(self) -> tuple[Function, ...]:
        """Start the process and its supervision; return the app's functions. Raises AppLoadError."""
        process = await _start(self._folder, self._environment)
        self._current.set_result(process)
        self._supervision = asyncio.create_task(self._supervise(process))
        return process.functions

    async def process(self) -> _Process:
        """Return the running process; wait for it during a restart."""
        while (process := await asyncio.shield(self._current)).is_killed_by_host:
            await asyncio.sleep(_POLL_SECONDS)  # until its end is noticed
        return process

    def crash(self) -> None:
        """Kill the process as an out-of-memory killer would."""
        if self._current.done():
            self._current.result().process.kill()

    async def close(self) -> None:
        """End the process."""
        if self._supervision is not None:
            self._supervision.cancel()
        if self._current.done() and (process := self._current.result().process).returncode is None:
            process.kill()
            await process.wait()

    async def _supervise(self, process: _Process) -> None:
        while True:
            code = await process.run()
            self._current = asyncio.get_running_loop().create_future()
            if process.is_killed_by_host:
                pause = _RESTART_AFTER_TIMEOUT_SECONDS
            else:
                pause = _RESTART_SECONDS
                _log.error("The worker process ended with exit code %d; its %d calls fail", code, len(process.calls))
                process.fail_calls(f"the worker process ended with exit code {code}")
            process = await self._restart(pause)
            self._current.set_result(process)
            _log.info("The worker process is started again (PID %d)", process.process.pid)

    async def _restart(self, pause: float) -> _Process:
        while True:
            await asyncio.sleep(pause)
            try:
                return await _start(self._folder, self._environment)
            except AppLoadError as error:
                _log.error("The worker process cannot load the app: %s", error)


class Worker:
    """The worker processes of an app."""

    def __init__(self, slots: list[_Slot], functions: tuple[Function, ...]) -> None:
        self._slots = slots
        self.functions = functions

    @classmethod
    async def load(cls, folder: Path, environment: Mapping[str, str], *, processes: int = 1) -> "Worker":
        """Start the processes and load the app in each. Raises AppLoadError."""
        slots = [_Slot(folder, environment) for _ in range(processes)]
        functions = await asyncio.gather(*(slot.start() for slot in slots))
        return cls(slots, functions[0])

    async def call(self, call: Call, *, timeout: timedelta | None) -> InvocationResult:
        """Execute a call in the process with the fewest calls.

        After `timeout` the process is killed, because a running Python thread cannot be stopped, and the call fails.
        """
        process = await min(self._slots, key=lambda slot: slot.load).process()
        try:
            async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
                return await process.call(call)
        except TimeoutError:
            process.kill()
            error = f"the function ran longer than {timeout} (functionTimeout); its worker process is restarted"
            return InvocationResult(ok=False, error=error)

    def crash(self) -> None:
        """Kill all processes as an out-of-memory killer would (fault injection)."""
        for slot in self._slots:
            slot.crash()

    async def close(self) -> None:
        """End all processes."""
        await asyncio.gather(*(slot.close() for slot in self._slots))


async def _start(folder: Path, environment: Mapping[str, str]) -> _Process:
    """Start a process and wait until it has loaded the app. Raises AppLoadError."""
    mine, its = socket.socketpair()
    with its:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.worker_process", str(its.fileno()), str(folder)),
            pass_fds=[its.fileno()],
            env={**environment, "PYTHONPATH": os.pathsep.join((str(_PROJECT), environment.get("PYTHONPATH", "")))},
        )
    reader, writer = await asyncio.open_connection(sock=mine)
    loaded = await channel.read(reader)
    if isinstance(loaded, Loaded) and not loaded.error:
        return _Process(process, reader, writer, loaded.functions)
    writer.close()
    code = await process.wait()
    raise AppLoadError(
        loaded.error if isinstance(loaded, Loaded) else f"the worker process ended with exit code {code}"
    )
