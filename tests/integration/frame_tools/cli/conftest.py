"""A clean environment for the command line whose settings name storage in Azurite."""

from pathlib import Path

import pytest

from frame_tools.contracts.errors import ExitCode
from frame_tools.storage.accounts import DATA, OPS
from frame_tools.storage.deployment import Storage
from local_cloud.cloud import Cloud
from tests.support.cli import clear_settings, run


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate tests from the settings and the working directory of whoever runs them."""
    clear_settings(monkeypatch)
    monkeypatch.setattr("frame_tools.client.connection.LOCAL_API", "http://127.0.0.1:9/api")  # no app listens there
    monkeypatch.setenv("IMPASTO_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def storage(clean_environment: None, emulators: Cloud, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Storage in Azurite, which the settings name and the command has created."""
    for setting in (DATA, OPS):
        monkeypatch.setenv(setting, emulators.settings[setting])
    assert run("make-containers").exit_code == ExitCode.OK
    return Storage.from_environment(emulators.settings)
