"""Images of tasks, and the command that starts a container. Containers that run: tests/node_image."""

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from local_cloud.batch_service.execution.directories import NodeDirectory
from local_cloud.batch_service.execution.image import NODE_ROOT, Container, Image, find_launcher

NODE = NodeDirectory(Path("/data/nodes/gpu/node-1"))
CONTAINER = Container(root=Path("/image"), user=10001, working_directory="/app", launcher="/usr/bin/bwrap")


def mounts(command: list[str], option: str) -> dict[str, str]:
    """Return the mounts of a kind: source -> target."""
    return {command[i + 1]: command[i + 2] for i, text in enumerate(command) if text == option}


def test_container_sees_the_image_and_its_node_only() -> None:
    command = CONTAINER.command(["python", "-V"], node=NODE, temporary=Path("/data/containers/a"))
    assert command[0] == "/usr/bin/bwrap"
    assert mounts(command, "--ro-bind") == {"/image": "/", "/sys": "/sys"}
    assert mounts(command, "--bind") == {"/data/containers/a": "/tmp", str(NODE.root): NODE_ROOT}  # noqa: S108


def test_container_drops_root() -> None:
    command = CONTAINER.command(["python", "-V"], node=NODE, temporary=Path("/t"))
    (start,) = [i for i, text in enumerate(command) if text == "setpriv"]
    end = command.index("--", start)
    assert {"--reuid=10001", "--regid=10001", "--clear-groups", "--no-new-privs", "--bounding-set=-all"} <= set(
        command[start:end]
    )
    assert command[end + 1 :] == ["python", "-V"]


def test_tasks_in_a_container_see_the_paths_of_azure() -> None:
    in_container = Image(environment={}, container=CONTAINER)
    assert in_container.node_directory(NODE).root == Path("/mnt/batch/tasks")
    assert Image(environment={}).node_directory(NODE) == NODE


@pytest.mark.parametrize(
    ("description", "field"),
    [
        ({}, "environment"),
        ({"environment": {"A": 1}}, "environment"),
        ({"environment": {}, "image": "x"}, "image"),
        (
            {"environment": {}, "container": {"root": "/", "user": -1, "working_directory": "/", "launcher": "b"}},
            "user",
        ),
        ({"environment": {}, "container": {"user": 1, "working_directory": "/", "launcher": "b"}}, "root"),
    ],
)
def test_invalid_description_names_its_field(description: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Image.model_validate_json(json.dumps(description))


def test_missing_launcher_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ValueError, match="apt-get install bubblewrap"):
        find_launcher()


def test_containers_need_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    launcher = tmp_path / "bwrap"
    launcher.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ValueError, match="root"):
        find_launcher()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_launcher() == str(launcher)
