"""The build: `scoring/Dockerfile` on the local base, by buildah, which needs no service and no privileged container."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.hooks.image import DOCKERFILE
from infra.tools.node_image.commands import run

IMAGE = "localhost/impasto-node"
BASE = "localhost/impasto-base"
_MOUNTED = "/mnt"
"""Folder of the base where the wheels are mounted during the build. It exists, so the image keeps no trace of it."""


@dataclass(frozen=True, kw_only=True)
class ImageDescription:
    """What the local cloud needs to start a task in the image, and what was measured."""

    tag: str
    """Hash of everything that the image was built from."""
    root: str
    """Folder with the image's files."""
    environment: dict[str, str]
    user: int
    working_directory: str
    layers: int
    bytes: int
    """Size of all files."""

    def write(self, path: Path) -> None:
        """Write the description as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


class Builder:
    """buildah with a storage of its own, which is removed after the build."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder
        self._log = log
        self._storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]

    def import_base(self, archive: Path) -> None:
        """Make an image of the base's archive."""
        context = self._folder / "base"
        context.mkdir(parents=True)
        (context / "Dockerfile").write_text(f"FROM scratch\nADD {archive.name} /\n", encoding="utf-8")
        shutil.copyfile(archive, context / archive.name)
        self._build("--tag", BASE, str(context))

    def build(self, context: Path, wheels: Path, root: Path) -> None:
        """Build the image from a context without an index of packages, and export its files to `root`."""
        (wheels / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {_MOUNTED}\n", encoding="utf-8")
        arguments = {"BASE": BASE, "PIP_CONFIG_FILE": f"{_MOUNTED}/pip.conf"}
        options = [option for name, text in arguments.items() for option in ("--build-arg", f"{name}={text}")]
        options += ["--volume", f"{wheels}:{_MOUNTED}:ro", "--output", f"type=local,dest={root}"]
        self._build(*options, "--tag", IMAGE, "--file", str(context / DOCKERFILE), str(context))
        # buildah exports into a folder that only its owner can enter; the image's user must.
        root.chmod(0o755)
        # Docker mounts a file of its own there. Empty, it shows that a task needs no names of other machines.
        (root / "etc" / "resolv.conf").write_text("", encoding="utf-8")

    def inspect(self) -> dict[str, Any]:
        """Return the configuration of the image in the format of the Open Container Initiative."""
        return dict(json.loads(self._buildah("inspect", "--type", "image", IMAGE))["OCIv1"])

    def remove(self) -> None:
        """Remove all images and containers of the storage, and the storage."""
        self._buildah("rm", "--all")
        self._buildah("rmi", "--all", "--force")
        for name in ("storage", "run", "base"):
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def _build(self, *arguments: str) -> None:
        # chroot needs neither a container runtime nor network namespaces, so it works inside containers too.
        self._buildah("build", "--isolation", "chroot", "--pull-never", *arguments)

    def _buildah(self, *arguments: str) -> str:
        return run(["buildah", *self._storage, *arguments], self._log)


def describe(config: dict[str, Any], *, tag: str, root: Path) -> ImageDescription:
    """Return the description of an exported image."""
    settings: Sequence[str] = config["config"]["Env"]
    return ImageDescription(
        tag=tag,
        root=str(root),
        environment=dict(setting.split("=", 1) for setting in settings),
        user=int(config["config"]["User"]),
        working_directory=config["config"]["WorkingDir"],
        layers=len(config["rootfs"]["diff_ids"]),
        bytes=sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink()),
    )
