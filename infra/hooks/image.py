"""The node image: its build context, its tag, and the build in the registry."""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from infra.hooks.azure import ROOT, AzureCli, value

DOCKERFILE = "scoring/Dockerfile"
TAG_LENGTH = 16
_PACKAGES = ("frame_tools", "scoring")
EXTRA = "requirements-extra.txt"
"""Packages of the operator's own, beside the locks; absent unless somebody writes the file (docs/own-image.md)."""
_LOCKS = ("requirements-image.txt", "requirements-weights.txt", EXTRA)


def context_files(root: Path) -> Iterator[PurePosixPath]:
    """Give the files of the build context in a fixed order: those that `.dockerignore` lets through."""
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*")):
            relative = PurePosixPath(path.relative_to(root).as_posix())
            if path.is_file() and not _is_ignored(relative):
                yield relative


def _is_ignored(path: PurePosixPath) -> bool:
    is_cache = "__pycache__" in path.parts or path.suffix == ".pyc" or path.name == "py.typed"
    is_made_here = path.parts[:2] == ("scoring", "weights")
    is_other_lock = path.parts[:-1] == ("scoring",) and path.name.startswith("requirements") and path.name not in _LOCKS
    return is_cache or is_made_here or is_other_lock


def content_tag(root: Path) -> str:
    """Return the tag of the image: a hash of the build context, so a change of the scorer is a new image."""
    digest = hashlib.sha256()
    for relative in context_files(root):
        content = (root / relative).read_bytes()
        digest.update(f"{relative}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:TAG_LENGTH]


def copy_context(root: Path, target: Path) -> None:
    """Copy the build context to a folder. `az acr build` uploads a whole folder and reads no `*.dockerignore`."""
    for relative in context_files(root):
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / relative, target / relative)


def build_image(az: AzureCli, environ: Mapping[str, str]) -> None:
    """Build the image `NODE_IMAGE` in the registry, unless it exists.

    A subscription without ACR Tasks (free and credit subscriptions) builds with Docker. If there is no Docker either,
    if Docker fails, or the registry is private, the commands for another machine are printed and the deployment goes
    on: only runs need the image, and they name it if it is missing.
    """
    image, registry = value(environ, "NODE_IMAGE"), value(environ, "AZURE_CONTAINER_REGISTRY_NAME")
    name = image.partition("/")[2]
    if environ.get("IMPASTO_NETWORK") == "private":
        print(f"The registry is private, so {image} is not built here. {_by_hand(registry, image)}")
        return
    if az.read("acr", "repository", "show", "--name", registry, "--image", name) is not None:
        print(f"{image} exists.")
        return
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        copy_context(ROOT, context)
        options = ["--image", name, "--file", DOCKERFILE, "--platform", "linux/amd64"]
        if az.run("acr", "build", "--registry", registry, *options, str(context)):
            return
        docker = shutil.which("docker")
        if docker is None:
            print(f"The registry did not build {image}, and there is no Docker. {_by_hand(registry, image)}")
            return
        print(f"The registry did not build {image}. Building it with Docker.")
        if not _build_with_docker(az, docker, registry, image, context):
            print(f"Docker did not build and push {image}; the error is above. {_by_hand(registry, image)}")


def _build_with_docker(az: AzureCli, docker: str, registry: str, image: str, context: Path) -> bool:
    """Build and push the image; return whether that succeeded."""
    build = [docker, "build", "--platform", "linux/amd64", "--tag", image, "--file", str(context / DOCKERFILE)]
    return (
        az.run("acr", "login", "--name", registry)
        and subprocess.run([*build, str(context)], check=False).returncode == 0
        and subprocess.run([docker, "push", image], check=False).returncode == 0
    )


def _by_hand(registry: str, image: str) -> str:
    return (
        "On a machine with Docker that reaches the registry, run in the root of the project:\n"
        f"  az acr login --name {registry}\n"
        f"  docker build --platform linux/amd64 --tag {image} --file {DOCKERFILE} . && docker push {image}\n"
        "Runs that start before are refused with the name of the missing image."
    )
