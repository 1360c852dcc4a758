"""Reads requirement files: inputs (`requirements*.in`) and the locks compiled from them (`requirements*.txt`)."""

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
INPUTS = sorted([*ROOT.glob("requirements*.in"), *ROOT.glob("*/requirements*.in")])
LOCKS = [path.with_suffix(".txt").relative_to(ROOT).as_posix() for path in INPUTS]
APP, SCORER, IMAGE = "requirements.txt", "scoring/requirements.txt", "scoring/requirements-image.txt"
TORCH = "scoring/requirements-torch.txt"


def entries(name: str) -> list[str]:
    """Return the requirements of a file, one string each: continuation lines joined, comments and options dropped."""
    text = re.sub(r"\s*\\\n\s*", " ", (ROOT / name).read_text(encoding="utf-8"))
    return [line for line in text.splitlines() if line and not line.lstrip().startswith(("#", "-"))]


def requirements(name: str) -> list[Requirement]:
    return [Requirement(entry.partition(" --hash")[0]) for entry in entries(name)]


def versions(name: str) -> dict[str, set[str]]:
    """Return the exact versions of each package; several, where they differ by Python version."""
    found: dict[str, set[str]] = {}
    for requirement in requirements(name):
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{name}: {requirement} is not an exact pin"
        found.setdefault(canonicalize_name(requirement.name), set()).add(specifier.version)
    return found
