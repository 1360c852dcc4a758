"""The local cloud launches its services at once, and imports the scorer when nobody waits for the cores."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local_cloud import cloud
from local_cloud.accounts import FREE_PORTS
from local_cloud.cloud import CloudOptions, running_cloud


class Service:
    """A service that notes what is done with it."""

    def __init__(self, name: str, note: Callable[[str], None]) -> None:
        self.name = name
        self._note = note

    def launch(self) -> None:
        self._note(f"launch {self.name}")

    def wait_until_ready(self) -> None:
        self._note(f"{self.name} is ready")

    def stop(self) -> None:
        self._note(f"stop {self.name}")


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the start does, in order."""
    noted: list[str] = []
    names = ("storage", "batch", "app")
    monkeypatch.setattr(cloud, "_services", lambda *_: [Service(name, noted.append) for name in names])
    monkeypatch.setattr(cloud, "_set_up_storage", lambda *_: noted.append("containers"))
    monkeypatch.setattr(cloud, "_prepare_tasks", lambda *_: noted.append("import the scorer"))
    return noted


def start(**options: bool | int) -> None:
    with running_cloud(CloudOptions(folder=Path(), ports=FREE_PORTS, **options)):  # type: ignore[arg-type]
        pass


def test_the_app_is_launched_first_and_stopped_first(events: list[str]) -> None:
    start()
    assert events[:3] == ["launch app", "launch batch", "launch storage"]
    assert events[-3:] == ["stop app", "stop batch", "stop storage"]


def test_the_scorer_is_imported_after_the_app(events: list[str]) -> None:
    start()
    assert events[3:-3] == ["batch is ready", "storage is ready", "containers", "app is ready", "import the scorer"]


def test_it_is_imported_beside_the_app_if_a_run_follows(events: list[str]) -> None:
    start(run_follows=True)
    assert events[3:-3] == ["batch is ready", "import the scorer", "storage is ready", "containers", "app is ready"]


@pytest.mark.parametrize("follows", [True, False])
def test_without_nodes_nothing_is_imported(events: list[str], follows: bool) -> None:
    start(run_follows=follows, nodes=0)
    assert "import the scorer" not in events
