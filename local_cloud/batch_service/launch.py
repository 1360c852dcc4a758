"""Starts the service as a separate process, for tests and benchmarks.

with running_service(data=folder, pools={"gpu": (1, 1)}, images={"painter": {"PATH": "/usr/bin:/bin"}}) as url:
    client = BatchClient(url, AzureNamedKeyCredential("localbatch", "bG9jYWw="))
"""

import json
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
_READY = re.compile(r"Batch service listening on (?P<url>http://\S+)\n")
_STOP_S = 15.0  # SIGTERM gives tasks one second; running uploads may take longer


@dataclass(frozen=True)
class BatchServiceProcess:
    """A running service at `url`."""

    url: str
    process: subprocess.Popen[str]

    def stop(self) -> int:
        """Stop the service (SIGTERM) and return its exit code; kill it if it does not end in time."""
        self.process.terminate()
        try:
            return self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            self._close()

    def kill(self) -> int:
        """Kill the service (SIGKILL), as a crash would; its tasks run on until the next start on the same folder."""
        self.process.kill()
        code = self.process.wait()
        self._close()
        return code

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


def start_service(
    *,
    data: Path,
    pools: Mapping[str, tuple[int, int]],
    images: Mapping[str, Mapping[str, str]],
    port: int = 0,
    job_quota: int | None = None,
    boot_seconds: float = 0.0,
    ready_s: float = 60.0,
) -> BatchServiceProcess:
    """Start a service on 127.0.0.1 and wait until it answers; its log is `data/service.log`.

    `pools` maps ids to (nodes, task slots per node), `images` names to environments; port 0 selects a free port. Raises
    RuntimeError with the end of the log if the service ends or is not ready within `ready_s` seconds.
    """
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "local_cloud.batch_service", "--port", str(port), "--data", str(data.resolve())]
    for pool_id, (nodes, slots) in pools.items():
        command += ["--pool", f"{pool_id}:{nodes}x{slots}"]
    for number, (name, variables) in enumerate(images.items()):
        file = data.resolve() / f"image-{number}.json"
        file.write_text(json.dumps({"environment": dict(variables)}), encoding="utf-8")
        command += ["--image", f"{name}={file}"]
    command += [] if job_quota is None else ["--job-quota", str(job_quota)]
    command += ["--boot-seconds", str(boot_seconds)] if boot_seconds else []
    log = data / "service.log"
    with log.open("a", encoding="utf-8") as sink:
        process = subprocess.Popen(command, cwd=_REPOSITORY, stdout=subprocess.PIPE, stderr=sink, text=True)
    url = _await_ready(process, ready_s=ready_s)
    if url is None:
        BatchServiceProcess("", process).kill()
        raise RuntimeError(f"the Batch service did not start; {log} ends with:\n{log.read_text()[-2000:]}")
    return BatchServiceProcess(url, process)


@contextmanager
def running_service(
    *, data: Path, pools: Mapping[str, tuple[int, int]], images: Mapping[str, Mapping[str, str]], port: int = 0
) -> Iterator[str]:
    """Run a service inside the `with` block and yield its URL; see `start_service`."""
    service = start_service(data=data, pools=pools, images=images, port=port)
    try:
        yield service.url
    finally:
        service.stop()


def _await_ready(process: subprocess.Popen[str], *, ready_s: float) -> str | None:
    deadline = time.monotonic() + ready_s
    while process.stdout is not None and time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.2)[0]:
            match = _READY.fullmatch(process.stdout.readline())
            return match["url"] if match else None
    return None
