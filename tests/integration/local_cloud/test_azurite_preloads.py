"""What Azurite is started with: less to load, and a hint for each write."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest
from azure.storage.blob import BlobClient
from azure.storage.queue import QueueClient

from local_cloud.accounts import FREE_PORTS, storage_settings
from local_cloud.cloud import AZURITE, AZURITE_PRELOADS, PROJECT, CloudOptions, allocate_ports, azurite_process
from local_cloud.storage_setup import make_containers

SERVER = """
const server = require("node:http").createServer((request, response) => {
  response.statusCode = Number(request.headers.answer);
  response.end();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""
LOADED = "console.log(Object.keys(require.cache).filter((file) => file.includes('/applicationinsights/')).length);"


@pytest.fixture
def hints() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        yield receiver


@contextmanager
def server(hints: socket.socket) -> Iterator[HTTPConnection]:
    """Run an HTTP server of Node that answers as the request says, with the preload."""
    argv = ["node", f"--require={AZURITE_PRELOADS / 'write_hints.cjs'}", "-e", SERVER]
    environment = {"LOCAL_CLOUD_HINTS_PORT": str(hints.getsockname()[1]), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        connection = HTTPConnection("127.0.0.1", int(process.stdout.readline()), timeout=60)
        try:
            yield connection
        finally:
            connection.close()
            process.kill()


def test_each_accepted_write_is_a_hint(hints: socket.socket) -> None:
    requests = (
        ("PUT", "/account/triggers/clip.json", 201),
        ("PUT", "/account/triggers/clip.json?comp=block&blockid=AA", 201),
        ("PUT", "/account/input/clip/0.jpg?comp=blocklist", 201),
        ("PUT", "/account/input/clip/1.jpg?comp=metadata", 201),
        ("PUT", "/account/refused/clip.json", 412),
        ("PUT", "/account/new-container?restype=container", 201),
        ("GET", "/account/triggers/clip.json", 200),
        ("POST", "/account/frame-batches/messages?visibilitytimeout=0", 201),
    )
    with server(hints) as connection:
        for method, path, answer in requests:
            connection.request(method, path, headers={"answer": str(answer)})
            assert connection.getresponse().read() == b""
        received = [hints.recv(100).decode() for _ in range(3)]
    assert received == ["container triggers", "container input", "queue frame-batches"]


def test_azurite_itself_sends_hints(hints: socket.socket, tmp_path: Path) -> None:
    options = CloudOptions(folder=tmp_path, ports=replace(FREE_PORTS, functions=hints.getsockname()[1]), in_memory=True)
    ports = allocate_ports(options.ports, functions=False)
    azurite = azurite_process(options, ports)
    azurite.start()
    try:
        make_containers(ports)
        settings = storage_settings(ports)
        with BlobClient.from_connection_string(settings["DATA"], "triggers", "clip.json") as blob:
            blob.upload_blob(b"{}")
        assert hints.recv(100) == b"container triggers"
        with QueueClient.from_connection_string(settings["OPS"], "frame-batches") as queue:
            queue.send_message("message")
        assert hints.recv(100) == b"queue frame-batches"
    finally:
        azurite.stop()


def test_telemetry_is_loaded_only_if_it_is_used() -> None:
    server = AZURITE.resolve().parent / "blob" / "BlobServerFactory.js"
    argv = ["node", f"--require={AZURITE_PRELOADS / 'quick_start.cjs'}", "-e"]
    use = "require('applicationinsights').setup;"
    counts = [
        int(subprocess.run([*argv, program], cwd=PROJECT, capture_output=True, check=True).stdout)
        for program in (f"require({str(server)!r}); {LOADED}", f"{use} {LOADED}")
    ]
    assert counts[0] == 0
    assert counts[1] > 0
