"""The program of a `ForkServer`: imports the modules of a command, then forks a process for each task that runs it.

    python -P forking_program.py FD MODULE IMPORT...

FD is a Unix stream socket. A request is one JSON line: `arguments` of MODULE, `environment`, `directory`, `stdout`,
`stderr`. The answers are {"ready": PID} after the imports, {"started": PID}, in the order of the requests, and
{"ended": PID, "code": N}, -N for signals.
When the socket closes, all processes are killed. This file runs in the Python of the image, with its packages only.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import warnings
from contextlib import suppress
from typing import Any, Final

_CHUNK: Final = 65536


class Server:
    """Forks processes on request and reports their ends; `serve` returns in each forked process."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        self._processes: set[int] = set()

    def serve(self) -> dict[str, Any] | None:
        """Return the request in a process that was forked for it; None when the socket has been closed."""
        signal.set_wakeup_fd(self._wake_writer)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        connection, rest = self._connection.fileno(), b""
        self._answer({"ready": os.getpid()})
        while True:
            readable, _, _ = select.select([connection, self._wake_reader], [], [])
            if self._wake_reader in readable:
                os.read(self._wake_reader, _CHUNK)
                self._report_ended()
            if connection in readable:
                received = self._receive()
                if not received:
                    self._end()
                    return None
                *lines, rest = (rest + received).split(b"\n")
                for line in lines:
                    if self._fork():
                        return dict(json.loads(line))

    def _fork(self) -> bool:
        """Fork; return whether this is the new process. It leads a process group before it is reported."""
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            # Threads of numeric libraries exist; those that matter survive a fork by their own handlers.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid:
            os.close(writer)
            os.read(reader, 1)
            os.close(reader)
            self._processes.add(pid)
            self._answer({"started": pid})
            return False
        os.setsid()
        os.write(writer, b".")
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (reader, writer, self._wake_reader, self._wake_writer):
            os.close(descriptor)
        self._connection.close()
        return True

    def _report_ended(self) -> None:
        for pid in [*self._processes]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._processes.remove(pid)
                self._answer({"ended": pid, "code": os.waitstatus_to_exitcode(status)})

    def _receive(self) -> bytes:
        """Return what has arrived; nothing if the service has ended, also before it had read all answers."""
        try:
            return self._connection.recv(_CHUNK)
        except ConnectionError:
            return b""

    def _answer(self, answer: dict[str, int]) -> None:
        with suppress(ConnectionError):  # the service has ended: `serve` sees that next, and ends the processes
            self._connection.sendall(json.dumps(answer).encode() + b"\n")

    def _end(self) -> None:
        for pid in self._processes:
            os.killpg(pid, signal.SIGKILL)


def become(request: dict[str, Any]) -> None:
    """Give this process the environment, the folder and the output files of a task."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.path.insert(0, request["directory"])
    for descriptor, file, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(file, flags, 0o666)
        os.dup2(opened, descriptor)
        os.close(opened)


def run(module: str) -> None:
    """Run the module as `python -m` would, and end this process where it exits.

    What was imported is not taken apart first: with torch that takes a fifth of a second, for memory that the process
    gives back anyway. All else that ends a program is done, in the same order.
    """
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            raise  # a message, which Python prints
        code = end.code or 0
    else:
        code = 0
    # As multiprocessing ends its processes: wait for threads, then call the handlers.
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


def main() -> None:
    """Import, serve, and in a forked process run the module as `python -m` would."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module = sys.argv[2]
    gc.disable()  # what is imported stays, so collections only take time
    for name in sys.argv[3:]:
        importlib.import_module(name)
    gc.freeze()  # what the processes share stays shared
    gc.enable()
    request = Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    if request is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        become(request)
        sys.argv = [module, *request["arguments"]]
        run(module)


if __name__ == "__main__":
    main()
