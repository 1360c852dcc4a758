"""The running system for end-to-end tests: a local cloud as its users see it."""

import json
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
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.trigger import Trigger
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import DataStorage, Storage
from local_cloud.cloud import PROJECT, Cloud, CloudOptions, running_cloud
from tests.support.answers import check_answer, operation_of
from tests.support.waiting import until

TIMEOUT_SECONDS = 150
"""Seconds after which a waiting test fails: far more than any run takes, so that only a hang reaches it."""


def checked(answer: requests.Response) -> requests.Response:
    """Return an answer of the app, which its OpenAPI document must describe."""
    operation = operation_of(str(answer.request.method), answer.url)
    assert operation is not None, f"{answer.request.method} {answer.url} is not documented"
    check_answer(operation, answer.status_code, answer.headers.get("Content-Type", ""), answer.content)
    return answer


class CheckedApi(ApiClient):
    """A client whose every answer is compared with the OpenAPI document."""

    def _send(self, method: str, path: str, body: str = "") -> requests.Response:
        return checked(super()._send(method, path, body))


@dataclass(frozen=True)
class RunningSystem:
    """A local cloud and its users' view of it."""

    cloud: Cloud
    storage: Storage

    @property
    def api(self) -> ApiClient:
        return CheckedApi(url=self.cloud.api)

    @property
    def user_storage(self) -> DataStorage:
        return DataStorage.from_environment(self.cloud.settings)

    def command(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command of frame_tools as a user does."""
        return subprocess.run(
            [sys.executable, "-m", "frame_tools", *argv],
            cwd=PROJECT,
            env={**os.environ, **self.cloud.settings, "IMPASTO_API": self.cloud.api},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )

    def start(self, name: str, **options: Any) -> str:
        """Upload a trigger file; return the run id."""
        return put_trigger(self.user_storage, name=name, trigger=Trigger.model_validate(options))

    def wait(self, run_id: str) -> dict[str, Any]:
        """Follow a run to its end; return its last status."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        status: dict[str, Any] = {}
        for status in follow(self.api, run_id, pause=0.2):
            assert time.monotonic() < deadline, f"the run hangs: {status}\n{self.log()}"
        return status

    def video(self, status: Mapping[str, Any]) -> bytes:
        """Return a finished run's video."""
        assert status["status"] == "finished", f"{status}\n{self.log()}"
        return self.storage.output.need(status["video"].removeprefix("output/")).data

    def report(self, run_id: str) -> dict[str, Any]:
        """Return a run's report, which is written shortly after its outcome."""
        name = RunPaths(run_id).report
        until(lambda: self.storage.output.exists(name), "the report", seconds=TIMEOUT_SECONDS)
        return dict(json.loads(self.storage.output.need(name).data))

    def inject_fault(self, **fault: Any) -> None:
        """Inject a fault into the Batch service."""
        requests.post(
            f"http://127.0.0.1:{self.cloud.ports.batch}/local/faults", json=fault, timeout=10
        ).raise_for_status()

    @contextmanager
    def held_tasks(self, *, after: int) -> Iterator[None]:
        """Let only `after` more tasks start within, so that a run which has more of them cannot end."""
        self.inject_fault(kind="hold_tasks", after=after)
        try:
            yield
        finally:
            faults = f"http://127.0.0.1:{self.cloud.ports.batch}/local/faults"
            requests.delete(faults, timeout=10).raise_for_status()

    def pending_faults(self) -> list[dict[str, Any]]:
        """Return the injected faults that have not occurred yet."""
        answer = requests.get(f"http://127.0.0.1:{self.cloud.ports.batch}/local/faults", timeout=10).json()
        return list(answer["value"] if isinstance(answer, dict) else answer)

    def post(self, path: str) -> requests.Response:
        """Send a POST to the app."""
        return checked(requests.post(f"{self.cloud.api}/{path}", timeout=60))

    def log(self) -> str:
        """Return the end of the function host's output."""
        return self.cloud.services["Function host"].output()[-6000:]


@contextmanager
def running_system(options: CloudOptions) -> Iterator[RunningSystem]:
    """Run a local cloud and create its containers."""
    with running_cloud(options) as cloud:
        storage = Storage.from_environment(cloud.settings)
        storage.ensure()
        yield RunningSystem(cloud, storage)


def upload_split(system: RunningSystem, folder: Path, name: str) -> None:
    """Upload a split folder under a name."""
    done = system.command("upload", str(folder), "--name", name)
    assert done.returncode == 0, done.stderr


def digest(video: bytes) -> str:
    """Return the hash of a video."""
    return sha256_of(video)
