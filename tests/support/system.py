"""What the end-to-end tests share: a running local cloud as a person sees it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from frame_tools.client.api import ApiClient
from frame_tools.client.polling import follow
from frame_tools.client.upload import put_trigger
from frame_tools.contracts.trigger import Trigger
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import DataStorage, Storage
from local_cloud.cloud import PROJECT, Cloud, CloudOptions, running_cloud

PATIENCE = 150
"""Seconds after which a test gives up waiting: far more than any run here takes, so that only a hang meets it."""


@dataclass(frozen=True)
class Chain:
    """A local cloud and the person's view of it."""

    cloud: Cloud
    storage: Storage

    @property
    def api(self) -> ApiClient:
        return ApiClient(url=self.cloud.api)

    @property
    def outside(self) -> DataStorage:
        return DataStorage.from_environment(self.cloud.settings)

    def command(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command of frame_tools as a person would."""
        return subprocess.run(
            [sys.executable, "-m", "frame_tools", *argv],
            cwd=PROJECT,
            env={**os.environ, **self.cloud.settings, "IMPASTO_API": self.cloud.api},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def start(self, name: str, **words: Any) -> str:
        """Put a trigger file; returns the run's id."""
        return put_trigger(self.outside, name=name, trigger=Trigger.model_validate(words))

    def wait(self, run_id: str) -> dict[str, Any]:
        """Follow a run to its end; returns its last status."""
        deadline = time.monotonic() + PATIENCE
        status: dict[str, Any] = {}
        for status in follow(self.api, run_id, pause=0.2):
            assert time.monotonic() < deadline, f"the run hangs: {status}\n{self.log()}"
        return status

    def video(self, status: Mapping[str, Any]) -> bytes:
        """Return a finished run's video."""
        assert status["status"] == "finished", f"{status}\n{self.log()}"
        return self.storage.output.need(status["video"].removeprefix("output/")).data

    def fault(self, **fault: Any) -> None:
        """Have the Batch service make mischief."""
        requests.post(
            f"http://127.0.0.1:{self.cloud.ports.batch}/local/faults", json=fault, timeout=10
        ).raise_for_status()

    def faults(self) -> list[dict[str, Any]]:
        """Return the mischief that is still to come."""
        answer = requests.get(f"http://127.0.0.1:{self.cloud.ports.batch}/local/faults", timeout=10).json()
        return list(answer["value"] if isinstance(answer, dict) else answer)

    def post(self, path: str) -> requests.Response:
        """Send a POST to the app."""
        return requests.post(f"{self.cloud.api}/{path}", timeout=60)

    def log(self) -> str:
        """Return the function host's last words."""
        return self.cloud.services["Function host"].output()[-6000:]


@contextmanager
def running_chain(options: CloudOptions) -> Iterator[Chain]:
    """Run a local cloud with its containers made."""
    with running_cloud(options) as cloud:
        storage = Storage.from_environment(cloud.settings)
        storage.ensure()
        yield Chain(cloud, storage)


def upload_split(chain: Chain, folder: Path, name: str) -> None:
    """Upload a split folder under a name."""
    done = chain.command("upload", str(folder), "--name", name)
    assert done.returncode == 0, done.stderr


def fingerprint(video: bytes) -> str:
    """Return what two equal videos have in common."""
    return sha256_of(video)
