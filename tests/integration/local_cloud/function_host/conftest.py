"""Azurite and host environments for the tests of the function host."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.local_cloud.function_host.host_environment import Azurite, HostEnvironment

PROJECT = Path(__file__).parents[4]
_LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at (http://\S+)")


@pytest.fixture(scope="session")
def azurite_for_host() -> Iterator[Azurite]:
    program = PROJECT / "node_modules" / ".bin" / "azurite"
    if not program.exists():
        pytest.skip("Azurite is not installed: run npm ci")
    command = [str(program), "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck"]
    for service in ("blob", "queue", "table"):
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        urls: dict[str, str] = {}
        for line in process.stdout:
            if matches := _LISTENING.search(line):
                urls[matches[1]] = matches[2]
            if len(urls) == 3:
                break
        yield Azurite(urls["Blob"], urls["Queue"], urls["Table"])
        process.terminate()


@pytest.fixture
def environment(azurite_for_host: Azurite, tmp_path: Path) -> HostEnvironment:
    return HostEnvironment(azurite_for_host, tmp_path)
