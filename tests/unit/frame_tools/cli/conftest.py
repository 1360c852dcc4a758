"""A clean environment for the command line, and storage in memory."""

from pathlib import Path

import pytest

from frame_tools.storage.deployment import DataStorage
from frame_tools.storage.in_memory import BlobStore, InMemoryContainer
from tests.support.cli import clear_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate tests from the settings and the working directory of whoever runs them."""
    clear_settings(monkeypatch)
    monkeypatch.setenv("IMPASTO_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> DataStorage:
    """Storage in memory, which the commands use."""
    containers = {name: InMemoryContainer(name, BlobStore()) for name in ("input", "triggers", "output")}
    memory = DataStorage(**containers)
    monkeypatch.setattr(DataStorage, "from_environment", lambda _settings: memory)
    monkeypatch.setenv("DATA", "in memory")
    return memory
