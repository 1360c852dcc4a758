"""What is in the image: what tasks need and nothing else, readable by everybody and writable by root only."""

import importlib.metadata
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.hooks.image import context_files
from infra.tools.node_image.build import ImageDescription
from infra.tools.node_image.cli import ROOT
from tests.unit.project.requirement_files import SCORER, requirements

MAX_BYTES = 1_450_000_000
"""Torch's CPU build is two thirds of it; the CUDA build in Azure is larger."""
MAX_LAYERS = 4
COMPILERS = re.compile(r"(.*-)?(gcc|g\+\+|cc|c\+\+|cpp|clang|ld|as|make|cmake|ninja|nvcc|protoc)(-[\d.]+)?")
DOWNLOADERS = re.compile(r"(pip|curl|wget|git|uv)[\d.]*")
WEIGHTS = {"scoring/weights/any.safetensors", "scoring/weights/vgg16.safetensors"}
BUILD_ONLY = {"scoring/Dockerfile", "scoring/requirements-image.txt", "scoring/requirements-weights.txt"}


def below(folder: Path) -> Iterator[Path]:
    """Yield all files and folders, without following links."""
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent) / name for name in (*folders, *files))


@pytest.fixture(scope="module")
def packages(root: Path) -> Path:
    """The folder of the installed packages."""
    (folder,) = (root / "opt" / "venv" / "lib").glob("python3.*/site-packages")
    return folder


def test_size_and_layers_are_bounded(image: ImageDescription) -> None:
    assert image.bytes <= MAX_BYTES
    assert image.layers <= MAX_LAYERS


def test_application_is_the_build_context_and_the_weights(root: Path) -> None:
    files = {path.relative_to(root / "app").as_posix() for path in below(root / "app") if path.is_file()}
    context = {str(name) for name in context_files(ROOT)}
    assert context >= BUILD_ONLY
    assert files - WEIGHTS == context - BUILD_ONLY
    assert files >= WEIGHTS


def test_packages_are_those_of_the_lock(packages: Path) -> None:
    installed = {canonicalize_name(d.name): d.version for d in importlib.metadata.distributions(path=[str(packages)])}
    version = packages.parent.name.removeprefix("python")
    environment = {"python_version": version, "python_full_version": f"{version}.0", "sys_platform": "linux"}
    applicable = [r for r in requirements(SCORER) if r.marker is None or r.marker.evaluate(environment)]
    torch = Requirement("torch==2.13.0+cpu")
    assert installed.keys() == {canonicalize_name(r.name) for r in [*applicable, torch]}
    assert [str(r) for r in applicable if installed[canonicalize_name(r.name)] not in r.specifier] == []


def test_no_compilers_and_nothing_that_downloads(root: Path) -> None:
    programs = {path.name for path in below(root) if path.parent.name in ("bin", "sbin") and not path.is_dir()}
    assert "python3" in programs
    assert {name for name in programs if COMPILERS.fullmatch(name) or DOWNLOADERS.fullmatch(name)} == set()


def test_no_caches_and_no_tests(root: Path, packages: Path) -> None:
    for folder in ("tmp", "root", "mnt", "home", "var/lib/apt/lists", "var/cache/apt"):
        files = [path for path in below(root / folder) if path.is_file() and path.name not in (".bashrc", ".profile")]
        assert [path for path in files if path.name != "lock"] == []
    assert [path for path in below(packages) if path.is_dir() and path.name == "tests"] == []
    for name in ("torch/test", "torch/include", "benchmarks", "tests", "scoring"):
        assert not (packages / name).exists()


def test_only_root_can_change_files(root: Path) -> None:
    product = [root, root / "app", root / "opt", *below(root / "app"), *below(root / "opt")]
    states = {path: path.lstat() for path in {*product, *below(root / "usr"), *below(root / "etc")}}
    assert {path for path, status in states.items() if status.st_uid != 0} == set()
    links = {path for path, status in states.items() if stat.S_ISLNK(status.st_mode)}
    assert {path for path, status in states.items() if status.st_mode & stat.S_IWOTH} - links == set()
    assert (root / "tmp").stat().st_mode & stat.S_ISVTX


def test_everybody_can_read_the_application(root: Path) -> None:
    for path in [root, root / "app", root / "opt", *below(root / "app"), *below(root / "opt")]:
        mode = path.lstat().st_mode
        assert mode & stat.S_IROTH, path
        assert mode & stat.S_IXOTH or not path.is_dir(), path


def test_image_names_its_user_and_folders(image: ImageDescription) -> None:
    assert image.user == 10001
    assert image.working_directory == "/app"
    assert image.environment["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert not [name for name in image.environment if re.search(r"(?i)pip|index|proxy|wheel", name)]
