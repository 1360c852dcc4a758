"""A task's process: started without a shell in its own process group, limited in time, ended with its children."""

import asyncio
import shlex
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Protocol

from local_cloud.batch_service.execution.directories import TaskDirectory
from local_cloud.batch_service.execution.fork_server import ForkServer
from local_cloud.batch_service.execution.process_registry import ProcessRegistry, kill_group
from local_cloud.batch_service.state.models import FailureInfo, ProcessExit

GRACE_S = 2.0  # from SIGTERM to SIGKILL; a choice, because the real service's grace period is not documented
StartInContainer = Callable[[Sequence[str]], list[str]]
"""Returns the command that runs a command in a container."""
_SIGNAL_EXIT_BASE = 128  # container runtimes report 128 + signal number for a process that was ended by a signal


class RunningProcess(Protocol):
    """The main process of a task, which leads its process group."""

    @property
    def pid(self) -> int:
        """The process id, which is the group's, too."""

    async def wait(self) -> int:
        """Wait for its end; return the exit code, -N for signal N."""


class StopSignal:
    """A request to stop an attempt; only the first request counts."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._listeners = 0
        self.grace_s = GRACE_S

    def request(self, *, grace_s: float) -> None:
        """Request the stop; the process is killed after `grace_s` seconds (0: at once)."""
        if not self._event.is_set():
            self.grace_s = grace_s
            self._event.set()

    @property
    def has_listener(self) -> bool:
        """Whether a process waits for the request, which is the case from when it can be started to its end."""
        return self._listeners > 0

    async def wait(self) -> None:
        """Wait for the request."""
        self._listeners += 1
        try:
            await self._event.wait()
        finally:
            self._listeners -= 1


class LaunchError(Exception):
    """The process could not be started; `failure` is the task's failure information."""

    def __init__(self, failure: FailureInfo) -> None:
        super().__init__(failure.message)
        self.failure = failure


async def run_process(
    command_line: str,
    *,
    attempt: str,
    directory: TaskDirectory,
    environment: Mapping[str, str],
    wall_clock_s: float | None,
    stop_signal: StopSignal,
    registry: ProcessRegistry,
    container: StartInContainer | None = None,
    fork_server: ForkServer | None = None,
) -> ProcessExit:
    """Run a command line to its end; the program is looked up on the PATH of `environment`.

    As in a container, the task ends with the main process, and the rest of its process group is killed then.
    `wall_clock_s` limits the run time in seconds; None means no limit. Raises LaunchError (CommandProgramNotFound or
    CommandLaunchFailed).
    """
    registry.register(attempt, directory.root)
    try:
        process = await _fork(command_line, directory, environment, fork_server, stop_signal) or await _start(
            command_line, directory=directory, environment=environment, container=container
        )
        registry.record(attempt, directory.root, process.pid)
        return await _watch(process, wall_clock_s=wall_clock_s, stop_signal=stop_signal)
    finally:
        registry.forget(attempt)


async def _fork(
    command_line: str,
    directory: TaskDirectory,
    environment: Mapping[str, str],
    server: ForkServer | None,
    stop_signal: StopSignal,
) -> RunningProcess | None:
    """Fork the command from a prepared process, if there is one for it; not if the stop is requested before."""
    try:
        arguments = shlex.split(command_line)
    except ValueError:  # the launch reports it
        return None
    if server is None or not server.can_run(arguments, environment):
        return None
    if await _is_stopped_before(server.wait_until_ready(), stop_signal):
        return None  # the process that is started instead ends at once
    return await server.fork(arguments, directory=directory, environment=environment)


async def _is_stopped_before(waiting: Coroutine[None, None, None], stop_signal: StopSignal) -> bool:
    """Wait for `waiting`; return whether the stop is requested before it ends."""
    ready, stop_requested = asyncio.create_task(waiting), asyncio.create_task(stop_signal.wait())
    try:
        await asyncio.wait({ready, stop_requested}, return_when=asyncio.FIRST_COMPLETED)
        return stop_requested.done()
    finally:
        ready.cancel()
        stop_requested.cancel()


async def _start(
    command_line: str, *, directory: TaskDirectory, environment: Mapping[str, str], container: StartInContainer | None
) -> RunningProcess:
    try:
        arguments = shlex.split(command_line)
        if container is not None:
            arguments = container(arguments)
        with directory.stdout.open("wb") as stdout, directory.stderr.open("wb") as stderr:
            return await asyncio.create_subprocess_exec(
                *arguments,
                cwd=directory.working,
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
    except FileNotFoundError as error:
        raise LaunchError(
            _user_error("CommandProgramNotFound", "The specified command program is not found")
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise LaunchError(_user_error("CommandLaunchFailed", f"Failed to launch the command line: {error}")) from error


async def _watch(process: RunningProcess, *, wall_clock_s: float | None, stop_signal: StopSignal) -> ProcessExit:
    exited = asyncio.create_task(process.wait())
    stop_requested = asyncio.create_task(stop_signal.wait())
    try:
        await asyncio.wait({exited, stop_requested}, timeout=wall_clock_s, return_when=asyncio.FIRST_COMPLETED)
        timed_out = not exited.done() and not stop_requested.done()
        if not exited.done():
            await _end(process.pid, exited, grace_s=GRACE_S if timed_out else stop_signal.grace_s)
        code = await exited
        return ProcessExit(code if code >= 0 else _SIGNAL_EXIT_BASE - code, timed_out)
    finally:
        # The main process is reaped, but its group id stays reserved while the group has members.
        kill_group(process.pid, signal.SIGKILL)
        stop_requested.cancel()


async def _end(pid: int, exited: "asyncio.Task[int]", *, grace_s: float) -> None:
    if grace_s > 0:
        kill_group(pid, signal.SIGTERM)
        await asyncio.wait({exited}, timeout=grace_s)
    kill_group(pid, signal.SIGKILL)


def _user_error(code: str, message: str) -> FailureInfo:
    return FailureInfo(category="UserError", code=code, message=message)
