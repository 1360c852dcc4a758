"""Tasks that start at once: a process that has imported an image's program forks itself for each of them.

To import torch takes longer than to paint a short clip. In Azure a node pays for that once per task, on cores that wait
for nothing else; here it would be in the way of whoever tries things out. A forked task has its own process group,
environment, folder and output, so nothing else differs. See `forking_program.py`.
"""

import asyncio
import json
import logging
import shutil
import signal
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from local_cloud.batch_service.execution.directories import TaskDirectory
from local_cloud.batch_service.execution.image import Prepared

_PROGRAM: Final = Path(__file__).with_name("forking_program.py")
_READ_AT_IMPORT: Final = ("PYTHON", "LD_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "TORCH", "PYTORCH_", "ATEN_",
    "CUDA_", "OPENCV_", "MALLOC_")  # fmt: skip
_log = logging.getLogger(__name__)


class ForkedProcess:
    """A process of a task; its parent is the fork server."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        """Wait for the process and return its exit code, -N for signal N."""
        return await asyncio.shield(self.code)


class ForkServer:
    """One image's prepared process. It may be missing or end at any time; tasks are then started as usual."""

    def __init__(self, prepared: Prepared, environment: Mapping[str, str]) -> None:
        self._prepared, self._environment = prepared, environment
        self._launching = asyncio.Lock()
        self._has_imported = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._starting: deque[asyncio.Future[ForkedProcess]] = deque()
        self._running: dict[int, ForkedProcess] = {}
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process, which then imports; does nothing if it was started before."""
        async with self._launching:
            python = shutil.which("python", path=self._environment.get("PATH"))
            if self._process is None and python is not None:
                await self._launch(python)

    async def _launch(self, python: str) -> None:
        mine, its = socket.socketpair()
        with its:
            self._process = await asyncio.create_subprocess_exec(
                *(python, "-P", str(_PROGRAM), str(its.fileno()), self._prepared.module, *self._prepared.imports),
                pass_fds=[its.fileno()],
                env=dict(self._environment),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        reader, self._writer = await asyncio.open_unix_connection(sock=mine)
        self._reading = asyncio.create_task(self._read(reader))

    def can_run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Return whether a command is the prepared one, and its environment one that imports do not depend on."""
        is_same = all(environment.get(name) == value for name, value in self._environment.items())
        added = (name for name in environment if name not in self._environment)
        return (
            self._writer is not None
            and [*arguments[:3]] == ["python", "-m", self._prepared.module]
            and is_same
            and not any(name.startswith(_READ_AT_IMPORT) for name in added)
        )

    async def wait_until_ready(self) -> None:
        """Wait until the process, if it was started, has imported or has ended; `fork` says which."""
        if self._writer is not None:
            await self._has_imported.wait()

    async def fork(
        self, arguments: Sequence[str], *, directory: TaskDirectory, environment: Mapping[str, str]
    ) -> ForkedProcess | None:
        """Start a command that `can_run`; None if the server has ended.

        Requests are sent after the imports: until then nothing is forked, and the process can be killed at any time.
        """
        await self.wait_until_ready()
        if self._writer is None:
            return None
        request = {
            "arguments": [*arguments[3:]],
            "environment": dict(environment),
            "directory": str(directory.working),
            "stdout": str(directory.stdout),
            "stderr": str(directory.stderr),
        }
        started: asyncio.Future[ForkedProcess] = asyncio.get_running_loop().create_future()
        self._starting.append(started)
        self._writer.write(json.dumps(request).encode() + b"\n")
        try:
            return await started
        except ConnectionError:
            return None

    async def close(self) -> None:
        """End the server and with it every process that it has forked."""
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            if not self._starting and not self._running:
                with suppress(ProcessLookupError):
                    self._process.kill()  # it has forked nothing that runs, and may still import
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):  # it ended with requests that it had not read
            while line := await reader.readline():
                self._take(json.loads(line))
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._has_imported.set()
        if self._starting or self._running:
            _log.warning("The process that tasks are forked from has ended")
        for started in self._starting:
            started.set_exception(ConnectionError("the fork server has ended"))
        for process in self._running.values():  # killed with their parent
            process.code.set_result(-signal.SIGKILL)

    def _take(self, answer: Mapping[str, int]) -> None:
        if "ready" in answer:
            self._has_imported.set()
        elif "started" in answer:
            process = self._running[answer["started"]] = ForkedProcess(answer["started"])
            self._starting.popleft().set_result(process)
        else:
            self._running.pop(answer["ended"]).code.set_result(answer["code"])
