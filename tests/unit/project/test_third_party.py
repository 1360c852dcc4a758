"""THIRD_PARTY.md names everything that the project takes from others."""

import json
import re
from pathlib import Path

import pytest

from tests.unit.project.requirement_files import IMAGE, ROOT, requirements, versions

TEXT = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
NOTICE = Path("scoring/scorers/any_painting/NOTICE")


def direct_dependencies() -> list[str]:
    scorer = [f"scoring/{name}" for name in ("requirements.in", "requirements-torch.txt", "requirements-bench.in")]
    found = {requirement.name for name in ["requirements.in", *scorer] for requirement in requirements(name)}
    return sorted(found | set(json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]))


@pytest.mark.parametrize("package", direct_dependencies())
def test_package_is_named(package: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(package)}(?![\w-])", TEXT)


def test_cuda_libraries_are_named() -> None:
    proprietary = {name.partition("-")[0] for name in versions(IMAGE) if name.startswith(("nvidia-", "cuda-"))}
    assert proprietary
    assert [name for name in proprietary if f"{name}-*" not in TEXT] == []


def test_every_weight_file_and_its_notice_are_named() -> None:
    weights = [
        path.relative_to(ROOT) for path in (ROOT / "scoring").rglob("*.safetensors") if "weights" not in path.parts
    ]
    assert [path.as_posix() for path in weights if path.as_posix() not in TEXT] == []
    assert (ROOT / NOTICE).is_file()
    assert f"]({NOTICE.as_posix()})" in TEXT


def test_downloaded_weights_are_named() -> None:
    for requirement in requirements("scoring/requirements-weights.txt"):
        assert f"{requirement.name} {next(iter(requirement.specifier)).version}" in TEXT
    assert "VGG16" in TEXT


def test_links_lead_to_files() -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", TEXT)]
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []
