"""Where tasks run: with this machine's files, or in the node image."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local_cloud.accounts import Ports, storage_settings
from local_cloud.batch_service.execution.image import Image
from local_cloud.cli import app
from local_cloud.cloud import CloudOptions, image_description, node_environment
from local_cloud.service_process import ServiceFailedError

BUILT = {
    "tag": "t",
    "root": "/image",
    "environment": {"PATH": "/opt/venv/bin"},
    "user": 10001,
    "working_directory": "/app",
    "layers": 3,
    "bytes": 1,
}


def test_tasks_use_this_machine_by_default(tmp_path: Path) -> None:
    description = image_description(CloudOptions(folder=tmp_path), Ports())
    image = Image.model_validate_json(json.dumps(description))
    assert image.environment == node_environment(Ports())
    assert image.container is None
    assert image.prepared is not None
    assert image.prepared.module == "scoring"


def test_tasks_in_the_image_get_its_environment_and_the_storage_accounts(tmp_path: Path) -> None:
    built = tmp_path / "image.json"
    built.write_text(json.dumps(BUILT))
    description = image_description(CloudOptions(folder=tmp_path, node_image=built), Ports())
    assert description["environment"] == {"PATH": "/opt/venv/bin", **storage_settings(Ports())}
    assert description["container"] == {"root": "/image", "user": 10001, "working_directory": "/app"}


def test_description_is_what_the_batch_service_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = tmp_path / "bwrap"
    launcher.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    built = tmp_path / "image.json"
    built.write_text(json.dumps(BUILT))
    description = image_description(CloudOptions(folder=tmp_path, node_image=built), Ports())
    image = Image.model_validate_json(json.dumps(description))
    assert image.container is not None
    assert (image.container.root, image.container.launcher) == (Path("/image"), str(launcher))


def test_missing_image_names_the_command(tmp_path: Path) -> None:
    options = CloudOptions(folder=tmp_path, node_image=tmp_path / "image.json")
    with pytest.raises(ServiceFailedError, match="make image"):
        image_description(options, Ports())


def test_unknown_node_lists_the_valid_ones() -> None:
    result = CliRunner().invoke(app, ["up", "--node", "moon"])
    assert result.exit_code == 2
    assert "image" in result.output
