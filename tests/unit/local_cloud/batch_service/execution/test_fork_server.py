"""Tasks that are forked from a prepared process: one import for all of them, and otherwise processes like any other."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from local_cloud.batch_service.execution import forking_program
from local_cloud.batch_service.execution.directories import TaskDirectory
from local_cloud.batch_service.execution.fork_server import ForkedProcess, ForkServer
from local_cloud.batch_service.execution.image import Image, Prepared
from local_cloud.batch_service.execution.process import StopSignal, run_process
from local_cloud.batch_service.execution.process_registry import ProcessRegistry

PROGRAM = """
import os, pathlib, sys, time
print(*sys.argv[1:], os.environ["OF_TASK"], pathlib.Path.cwd().name, os.getpid() == os.getpgid(0), flush=True)
print("reason", file=sys.stderr)
if sys.argv[1] == "wait":
    time.sleep(600)
raise SystemExit(int(sys.argv[1]))
"""
HEAVY = """
import gc, os, pathlib
with pathlib.Path(os.environ["OF_IMAGE"]).open("a") as log:
    log.write(f"imported, collecting garbage: {gc.isenabled()}\\n")
"""
ENDLESS = """
import os
open(os.environ["OF_IMAGE"] + ".pipe").read()
"""
IMPORTED_ONCE = "imported, collecting garbage: False\n"
PATIENCE = 60
Start = Callable[[str], Coroutine[None, None, ForkedProcess | None]]
Test = Callable[[ForkServer, Start], Coroutine[None, None, None]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an image's environment with a Python and a program that imports something."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__main__.py").write_text(PROGRAM)
    (tmp_path / "heavy.py").write_text(HEAVY)
    (tmp_path / "endless.py").write_text(ENDLESS)
    os.mkfifo(tmp_path / "imports.txt.pipe")
    return {"PATH": str(tmp_path / "bin"), "PYTHONPATH": str(tmp_path), "OF_IMAGE": str(tmp_path / "imports.txt")}


async def until_async(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def run(environment: dict[str, str], folder: Path, test: Test, *, imports: tuple[str, ...] = ("heavy",)) -> None:
    """Run a test with a started server, and with a function that forks a task with one argument."""

    async def start(server: ForkServer, argument: str) -> ForkedProcess | None:
        directory = TaskDirectory(folder / f"task-{argument}")
        directory.make_fresh()
        arguments = ["python", "-m", "program", argument]
        return await server.fork(arguments, directory=directory, environment={**environment, "OF_TASK": "value"})

    async def everything() -> None:
        server = ForkServer(Prepared(module="program", imports=imports), environment)
        await server.start()
        try:
            await test(server, lambda argument: start(server, argument))
        finally:
            await server.close()

    asyncio.run(everything())


def test_tasks_run_in_processes_of_their_own_that_import_nothing_again(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async def test(_server: ForkServer, start: Start) -> None:
        first, second = await asyncio.gather(start("0"), start("7"))
        assert first is not None
        assert second is not None
        assert first.pid != second.pid
        assert (await first.wait(), await second.wait()) == (0, 7)

    run(environment, tmp_path, test)
    assert (tmp_path / "task-7" / "stdout.txt").read_text() == "7 value wd True\n"
    assert (tmp_path / "task-7" / "stderr.txt").read_text() == "reason\n"
    assert (tmp_path / "imports.txt").read_text() == IMPORTED_ONCE


ENDING = """
import atexit, sys, threading
def wait_and_print():
    threading.main_thread().join()
    print("thread")
class Unseen:
    def __del__(self):
        print("taken apart")
unseen = Unseen()
atexit.register(lambda: print("handler"))
threading.Thread(target=wait_and_print).start()
if sys.argv[1] == "message":
    sys.exit("the reason")
if sys.argv[1] == "error":
    raise ValueError("broken")
if sys.argv[1] != "none":
    sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("argument", "code", "output", "error"),
    [
        ("none", 0, "thread\nhandler\n", ""),
        ("0", 0, "thread\nhandler\n", ""),
        ("259", 3, "thread\nhandler\n", ""),
        ("message", 1, "thread\nhandler\ntaken apart\n", "the reason\n"),
        ("error", 1, "thread\nhandler\ntaken apart\n", "ValueError: broken\n"),
    ],
)
def test_a_task_ends_like_a_program_but_is_not_taken_apart(
    environment: dict[str, str], tmp_path: Path, argument: str, code: int, output: str, error: str
) -> None:
    (tmp_path / "program" / "__main__.py").write_text(ENDING)

    async def test(_server: ForkServer, start: Start) -> None:
        process = await start(argument)
        assert process is not None
        assert await process.wait() == code

    run(environment, tmp_path, test)
    assert (tmp_path / f"task-{argument}" / "stdout.txt").read_text() == output
    assert (tmp_path / f"task-{argument}" / "stderr.txt").read_text().endswith(error)


def test_two_starts_at_once_start_one_process(environment: dict[str, str], tmp_path: Path) -> None:
    async def everything() -> None:
        server = ForkServer(Prepared(module="program", imports=("heavy",)), environment)
        await asyncio.gather(server.start(), server.start())
        await server.wait_until_ready()
        await server.close()

    asyncio.run(everything())
    assert (tmp_path / "imports.txt").read_text() == IMPORTED_ONCE


def test_a_stop_is_heard_while_the_server_imports(environment: dict[str, str], tmp_path: Path) -> None:
    async def test(server: ForkServer, _start: Start) -> None:
        stop = StopSignal()
        directory = TaskDirectory(tmp_path / "stopped")
        directory.make_fresh()
        task = run_process(
            "python -m program wait",
            attempt="stopped",
            directory=directory,
            environment={**environment, "OF_TASK": "value"},
            wall_clock_s=None,
            stop_signal=stop,
            registry=ProcessRegistry(tmp_path / "processes"),
            fork_server=server,
        )
        running = asyncio.create_task(task)
        await until_async(lambda: stop.has_listener)
        stop.request(grace_s=0)
        assert (await asyncio.wait_for(running, PATIENCE)).exit_code == 128 + signal.SIGKILL

    run(environment, tmp_path, test, imports=("endless",))


def test_a_server_that_imports_ends_with_the_tasks_that_wait_for_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async def test(server: ForkServer, start: Start) -> None:
        waiting = asyncio.create_task(start("0"))
        await asyncio.sleep(0)
        await asyncio.wait_for(server.close(), PATIENCE)
        assert await waiting is None

    run(environment, tmp_path, test, imports=("endless",))


def test_a_server_that_was_not_started_forks_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    server = ForkServer(Prepared(module="program"), environment)
    directory = TaskDirectory(tmp_path / "task")
    assert asyncio.run(server.fork(["python", "-m", "program"], directory=directory, environment={})) is None


def test_the_service_forks_a_task_or_starts_it_as_usual(environment: dict[str, str], tmp_path: Path) -> None:
    task = {**environment, "OF_TASK": "value"}
    (tmp_path / "program" / "__main__.py").write_text("import sys; print('heavy' in sys.modules); raise SystemExit(5)")

    async def run_task(name: str, server: ForkServer) -> tuple[int, str]:
        directory = TaskDirectory(tmp_path / name)
        directory.make_fresh()
        ended = await run_process(
            "python -m program",
            attempt=name,
            directory=directory,
            environment=task,
            wall_clock_s=None,
            stop_signal=StopSignal(),
            registry=ProcessRegistry(tmp_path / "processes"),
            fork_server=server,
        )
        return ended.exit_code, directory.stdout.read_text()

    async def test(server: ForkServer, _start: Start) -> None:
        assert await run_task("forked", server) == (5, "True\n")
        await server.close()
        assert await run_task("started", server) == (5, "False\n")

    run(environment, tmp_path, test)


def test_a_signal_is_reported_as_its_negative_number(environment: dict[str, str], tmp_path: Path) -> None:
    async def test(_server: ForkServer, start: Start) -> None:
        process = await start("wait")
        assert process is not None
        os.killpg(process.pid, signal.SIGTERM)
        assert await process.wait() == -signal.SIGTERM

    run(environment, tmp_path, test)


def test_nothing_outlives_the_server(environment: dict[str, str], tmp_path: Path) -> None:
    async def test(server: ForkServer, start: Start) -> None:
        process = await start("wait")
        assert process is not None
        await server.close()
        assert await process.wait() == -signal.SIGKILL
        assert await start("0") is None

    run(environment, tmp_path, test)


def test_a_program_that_cannot_be_imported_prepares_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    async def test(_server: ForkServer, start: Start) -> None:
        assert await start("0") is None
        assert await start("0") is None

    run(environment, tmp_path, test, imports=("no_such_module",))


def test_only_the_same_program_and_a_compatible_environment_are_forked(
    environment: dict[str, str], tmp_path: Path
) -> None:
    task = ["python", "-m", "program", "0"]

    async def test(server: ForkServer, _start: Start) -> None:
        assert server.can_run(task, {**environment, "AZ_BATCH_TASK_ID": "b00003"})
        assert not server.can_run(["python", "-m", "other"], environment)
        assert not server.can_run(["python", "program.py"], environment)
        assert not server.can_run(task, {**environment, "OF_IMAGE": "changed"})
        assert not server.can_run(task, {**environment, "OMP_NUM_THREADS": "1"})
        await server.close()
        assert not server.can_run(task, environment)

    run(environment, tmp_path, test)


def test_a_container_cannot_be_prepared() -> None:
    container = {"root": "/image", "user": 1, "working_directory": "/", "launcher": "bwrap"}
    with pytest.raises(ValueError, match="cannot be prepared"):
        Image.model_validate({"environment": {}, "container": container, "prepared": {"module": "program"}})


def test_a_service_that_is_killed_leaves_no_task(environment: dict[str, str], tmp_path: Path) -> None:
    """It may end while the server imports, before it has read that a task was forked."""
    (tmp_path / "wd").mkdir()
    request = {
        "arguments": ["wait"],
        "environment": {**environment, "OF_TASK": "value"},
        "directory": str(tmp_path / "wd"),
        "stdout": str(tmp_path / "stdout.txt"),
        "stderr": str(tmp_path / "stderr.txt"),
    }
    mine, its = socket.socketpair()
    reader, writer = os.pipe()  # the server and its tasks hold the other end
    server = subprocess.Popen(
        [sys.executable, "-P", forking_program.__file__, str(its.fileno()), "program", "heavy"],
        pass_fds=[its.fileno(), writer],
        env=environment,
    )
    its.close()
    os.close(writer)
    mine.sendall(json.dumps(request).encode() + b"\n")
    mine.close()
    assert server.wait() == 0
    assert os.read(reader, 1) == b""
    os.close(reader)
