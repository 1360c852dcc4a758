"""Requirement locks: every package has an exact version and hashes, and all environments agree."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.project.requirement_files import APP, IMAGE, LOCKS, ROOT, SCORER, TORCH, entries, requirements, versions

CUDA = re.compile(r"torch|triton|nvidia-|cuda-")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_environment_has_a_lock() -> None:
    assert {APP, SCORER, IMAGE, "requirements-dev.txt", "scoring/requirements-dev.txt"} <= set(LOCKS)


@pytest.mark.parametrize("name", [*LOCKS, "scoring/requirements-weights.txt"])
def test_every_package_has_a_hash(name: str) -> None:
    assert entries(name)
    assert [entry for entry in entries(name) if not re.search(r" --hash=sha256:[0-9a-f]{64}\b", entry)] == []


@pytest.mark.parametrize("name", LOCKS)
def test_lock_names_no_index_or_local_path(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"(?m)^--.*|\w+://\S*|@ file.*|(?<![\w.])/\w+/\S*", text) == []


@pytest.mark.parametrize("name", LOCKS)
def test_lock_matches_its_input(name: str) -> None:
    locked = versions(name)
    for requirement in requirements(name.replace(".txt", ".in")):
        (version, *others) = locked[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, f"{requirement} is locked as {version}: run `make lock`"
        assert not others


@pytest.mark.parametrize("name", LOCKS)
def test_lock_is_compiled_for_the_options_in_make(name: str) -> None:
    folder, _, file = name.rpartition("/")
    call = rf"call compile,{folder or '.'},{file.removesuffix('.txt')},([^)]*)\)"
    (options,) = re.findall(call, (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert f"(uv pip compile {options})" in (ROOT / name).read_text(encoding="utf-8")


def test_environments_share_versions() -> None:
    app, scorer, image = versions(APP), versions(SCORER), versions(IMAGE)
    everywhere = {name: app[name] for name in app.keys() & scorer.keys()}
    assert everywhere == {name: scorer[name] for name in everywhere}
    assert len(everywhere) > 20
    assert {name: found for name, found in image.items() if name in scorer and found != scorer[name]} == {}


@pytest.mark.parametrize("name", [APP, SCORER])
def test_dev_lock_extends_the_runtime_lock(name: str) -> None:
    runtime, development = versions(name), versions(name.replace(".txt", "-dev.txt"))
    assert {package: development.get(package) for package in runtime} == runtime


def test_cuda_packages_are_in_the_image_lock_only() -> None:
    assert [
        (name, package) for name in LOCKS if name != IMAGE for package in versions(name) if CUDA.match(package)
    ] == []
    (torch,) = requirements(TORCH)
    assert str(torch.specifier) == f"=={min(versions(IMAGE)['torch'])}"


def test_scorer_lock_covers_the_dependencies_of_torch() -> None:
    assert {package for package in versions(IMAGE) if not CUDA.match(package)} <= set(versions(SCORER))


OWN_PACKAGES = ("requirements-extra.txt", "$(EXTRA)")
"""The list of packages that an operator adds: absent in this repository."""


@pytest.mark.parametrize("name", ["Makefile", "scoring/Dockerfile"])
def test_installs_require_hashes(name: str) -> None:
    text = re.sub(r"\\\n\s*", " ", (ROOT / name).read_text(encoding="utf-8"))
    for variable, value in reversed(re.findall(r"(?m)^(\w+) := (.*pip install.*|.*\$\(PIP\).*)$", text)):
        text = text.replace(f"$({variable})", value)
    installs = [line for line in text.splitlines() if re.search(r"pip install.* (-r|--requirement) ", line)]
    assert len(installs) >= 2
    own = [line for line in installs if any(name in line for name in OWN_PACKAGES)]
    assert len(own) == 1
    assert "--constraint" in own[0], "whether its packages have hashes is for who writes the list; versions are ours"
    ours = [line for line in installs if line not in own]
    assert [line for line in ours if "--require-hashes" not in line and TORCH not in line] == []


def test_package_metadata_allows_the_locked_versions() -> None:
    locked = versions("requirements-dev.txt") | versions(IMAGE)
    extras = PROJECT["project"]["optional-dependencies"]
    for text in [*PROJECT["project"]["dependencies"], *extras["node"], *extras["dev"], *extras["parquet"]]:
        requirement = Requirement(text)
        for version in locked[canonicalize_name(requirement.name)]:
            assert version in requirement.specifier, f"{text} does not allow {version}"


def test_package_metadata_names_what_frame_tools_needs() -> None:
    named = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
    both = {canonicalize_name(r.name) for r in requirements("requirements.in")}
    both &= {canonicalize_name(r.name) for r in requirements("scoring/requirements.in")}
    assert named == both


def test_build_backend_is_the_locked_one() -> None:
    (backend,) = (Requirement(text) for text in PROJECT["build-system"]["requires"])
    assert {str(specifier.version) for specifier in backend.specifier} == versions("requirements-dev.txt")["hatchling"]
