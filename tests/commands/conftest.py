"""Settings of a test's own: those of whoever runs the tests stay out, real storage is named where it is asked for."""

import os
from pathlib import Path

import pytest

from frame_tools.contracts.errors import ExitCode
from frame_tools.storage.accounts import DATA, OPS
from frame_tools.storage.deployment import Storage
from local_cloud.cloud import Cloud
from tests.commands.console import run


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the settings and the working directory of whoever runs the tests out of them."""
    for name in [*os.environ]:
        if name.startswith((DATA, OPS, "IMPASTO")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def storage(no_settings: None, emulators: Cloud, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Real storage, which the settings name."""
    for setting in (DATA, OPS):
        monkeypatch.setenv(setting, emulators.settings[setting])
    assert run("make-containers").exit_code == ExitCode.OK
    return Storage.from_environment(emulators.settings)
