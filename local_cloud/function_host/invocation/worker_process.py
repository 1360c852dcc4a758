"""The program of a worker process: `python -m local_cloud.function_host.invocation.worker_process FD FOLDER`.

It loads the app in FOLDER, sends its functions over the socket FD, and then executes calls until the host closes the
socket. If the host dies, the process ends at once, whatever it is doing.
"""

import asyncio
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from local_cloud.function_host.console import Console
from local_cloud.function_host.invocation import channel
from local_cloud.function_host.invocation.app_runtime import App
from local_cloud.function_host.invocation.channel import Answer, Call, Loaded
from local_cloud.function_host.invocation.values import AppLoadError
from local_cloud.lasting_imports import lasting_imports


async def serve(connection: socket.socket, folder: Path) -> None:
    """Load the app, then execute the calls that arrive."""
    console = Console(sys.stdout)
    console.install(verbose=False)
    try:
        with lasting_imports():
            app = await App.load(folder)
    except AppLoadError as error:
        connection.sendall(channel.write(Loaded(error=str(error))))
        return
    connection.sendall(channel.write(Loaded(app.functions)))
    await _Calls(app, console, connection).run()


class _Calls:
    """The calls in progress; results are sent by one thread at a time."""

    def __init__(self, app: App, console: Console, connection: socket.socket) -> None:
        self._app = app
        self._console = console
        self._connection = connection
        self._running: set[asyncio.Task[None]] = set()
        self._sending = threading.Lock()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._receive, args=(loop,), daemon=True).start()
        await asyncio.Event().wait()

    def _receive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Pass calls to the event loop; in a thread, so that the end of the host is noticed even if the loop blocks."""
        while isinstance(call := channel.read_blocking(self._connection), Call):
            loop.call_soon_threadsafe(self._start, call)
        os._exit(0)

    def _start(self, call: Call) -> None:
        task = asyncio.create_task(self._execute(call))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _execute(self, call: Call) -> None:
        with self._console.invocation(call.invocation_id, call.function.name):
            result = await self._app.call(
                call.function,
                call.invocation_id,
                inputs=call.inputs,
                metadata=call.metadata,
                attempt=call.attempt,
            )
        await asyncio.to_thread(self._send, channel.write(Answer(call.invocation_id, result)))

    def _send(self, content: bytes) -> None:
        with self._sending:
            self._connection.sendall(content)


def main() -> None:
    """Run the worker process on the socket and the folder that the arguments name."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the host decides
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2])))


if __name__ == "__main__":
    main()
