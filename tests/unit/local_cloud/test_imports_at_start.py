"""What the services import before they listen: Azure's SDK takes longer to import than all else that they do."""

import subprocess
import sys

import pytest


def imported_by(module: str) -> set[str]:
    """Return the packages that a new process has imported after it imported `module`."""
    program = f"import sys, {module}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    ("module", "later"),
    [
        ("local_cloud.cli", {"azure.storage.blob", "azure.core", "aiohttp"}),
        ("local_cloud.batch_service.cli", {"azure.storage.blob", "azure.core"}),
        ("local_cloud.function_host.cli", {"azure.storage.blob", "azure.core", "aiohttp"}),
        ("local_cloud.function_host.invocation.worker_process", {"azure.storage.blob", "azure.core", "aiohttp"}),
    ],
)
def test_no_service_waits_for_what_it_needs_later(module: str, later: set[str]) -> None:
    assert imported_by(module).isdisjoint(later)
