"""A local Batch service as a process, and the real `azure-batch` client for it."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from azure.batch import BatchClient
from azure.batch import models as m
from azure.core.credentials import AzureNamedKeyCredential

from local_cloud.batch_service.launch import BatchServiceProcess, start_service
from tests.support.waiting import until

DEADLINE_S = 20.0
IMAGE = "painter:1"
PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin"
T = TypeVar("T")


@dataclass
class Cloud:
    """A running service and its client, with shortcuts for jobs and tasks."""

    data: Path
    pools: Mapping[str, tuple[int, int]] = field(default_factory=lambda: {"gpu": (1, 1)})
    images: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {IMAGE: {"PATH": PATH}})
    service: BatchServiceProcess | None = None

    def start(self, *, boot_seconds: float = 0.0) -> "Cloud":
        self.service = start_service(data=self.data, pools=self.pools, images=self.images, boot_seconds=boot_seconds)
        return self

    @property
    def url(self) -> str:
        assert self.service is not None
        return self.service.url

    @property
    def client(self) -> BatchClient:
        return BatchClient(self.url, AzureNamedKeyCredential("localbatch", "bG9jYWw="))

    def job(self, job_id: str, *, pool: str = "gpu", **options: Any) -> str:
        self.client.create_job(m.BatchJobCreateOptions(id=job_id, pool_info=m.BatchPoolInfo(pool_id=pool), **options))
        return job_id

    def task(
        self, task_id: str, command: str, *, image: str | None = IMAGE, **options: Any
    ) -> m.BatchTaskCreateOptions:
        container = m.BatchTaskContainerSettings(image_name=image) if image else None
        return m.BatchTaskCreateOptions(id=task_id, command_line=command, container_settings=container, **options)

    def add(self, job_id: str, task_id: str, command: str, **options: Any) -> None:
        self.client.create_task(job_id, self.task(task_id, command, **options))

    def run(self, job_id: str, task_id: str, command: str, **options: Any) -> m.BatchTask:
        """Add a task and wait for its end."""
        self.add(job_id, task_id, command, **options)
        return self.await_state(job_id, task_id, "completed")

    def await_state(self, job_id: str, task_id: str, state: str) -> m.BatchTask:
        return self._until(lambda: self._in_state(job_id, task_id, state), f"{task_id} is {state}")

    def await_job(self, job_id: str, state: str) -> m.BatchJob:
        def finished_job() -> m.BatchJob | None:
            job = self.client.get_job(job_id)
            return job if job.state == state else None

        return self._until(finished_job, f"{job_id} is {state}")

    def output(self, job_id: str, task_id: str, name: str = "stdout.txt") -> str:
        return b"".join(self.client.download_task_file(job_id, task_id, name)).decode()

    def await_output(self, job_id: str, task_id: str, text: str) -> None:
        self._until(lambda: text in self._output_so_far(job_id, task_id), f"{task_id} writes {text!r}")

    def fault(self, **body: Any) -> Any:
        """Inject a fault of `faults.py`; return the response."""
        return self.raw("POST", "/local/faults", body)[1]

    def raw(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send a request without the client library: status, JSON body, headers."""
        signed = {"Authorization": "SharedKey localbatch:x"} | dict(headers or {})
        answer = requests.request(method, f"{self.url}{path}", json=body, headers=signed, timeout=DEADLINE_S)
        return answer.status_code, answer.json() if answer.content else None, answer.headers

    def await_death(self, pid: int) -> None:
        """Wait until a process has ended; a zombie counts as ended."""
        stat = Path(f"/proc/{pid}/stat")

        def is_dead() -> bool:
            try:
                return stat.read_text().rpartition(")")[2].split()[0] == "Z"
            except (FileNotFoundError, ProcessLookupError):
                return True

        self._until(is_dead, f"process {pid} has ended")

    def _until(self, condition: Callable[[], T | None], description: str) -> T:
        try:
            return until(condition, description, seconds=DEADLINE_S)
        except AssertionError as error:
            error.add_note((self.data / "service.log").read_text()[-3000:])
            raise

    def _in_state(self, job_id: str, task_id: str, state: str) -> m.BatchTask | None:
        task = self.client.get_task(job_id, task_id)
        return task if task.state == state else None

    def _output_so_far(self, job_id: str, task_id: str) -> str:
        status, _, _ = self.raw("HEAD", f"/jobs/{job_id}/tasks/{task_id}/files/stdout.txt?api-version=2025-06-01")
        return self.output(job_id, task_id) if status == 200 else ""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A service shared by the tests of a module, which must not break it: two nodes with two slots each."""
    cloud = Cloud(data=tmp_path_factory.mktemp("batch"), pools={"gpu": (2, 2)}).start()
    yield cloud
    assert cloud.service is not None
    assert cloud.service.stop() == 0


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A service for one test: one node with one slot. The test may kill and restart it."""
    cloud = Cloud(data=tmp_path / "batch").start()
    yield cloud
    assert cloud.service is not None
    if cloud.service.process.returncode is None:
        assert cloud.service.stop() == 0


_PLACEHOLDERS = {
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z",
    "<etag>": r"0x[0-9A-F]{15}",
    "<url>": r"http://127\.0\.0\.1:\d+(/[^\s]*)?",
    "<guid>": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<text>": r".+",
}


@pytest.fixture(scope="session")
def assert_like_recorded() -> Callable[[Any, str], None]:
    """Compare a body with fixtures/<name>.json: same properties, same casing, same values but for <placeholders>."""

    def check(actual: Any, name: str) -> None:
        recorded = json.loads((Path(__file__).parent / "fixtures" / f"{name}.json").read_text())
        _assert_alike(actual, recorded, path=name)

    return check


def _assert_alike(actual: Any, recorded: Any, *, path: str) -> None:
    if isinstance(recorded, dict):
        assert set(actual) == set(recorded), path
        for key, value in recorded.items():
            _assert_alike(actual[key], value, path=f"{path}.{key}")
    elif isinstance(recorded, list):
        assert len(actual) == len(recorded), path
        for index, value in enumerate(recorded):
            _assert_alike(actual[index], value, path=f"{path}[{index}]")
    elif isinstance(recorded, str) and "<" in recorded:
        pattern = re.escape(recorded)
        for placeholder, expression in _PLACEHOLDERS.items():
            pattern = pattern.replace(re.escape(placeholder), expression)
        assert re.fullmatch(pattern, actual, re.DOTALL), f"{path}: {actual!r} is not {recorded!r}"
    else:
        assert actual == recorded, path
        assert type(actual) is type(recorded), path
