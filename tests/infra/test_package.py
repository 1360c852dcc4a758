"""The deployment package of the Function App: which files .funcignore lets through."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.infra.deployments import REPOSITORY

NEVER = (
    "infra/bicep/main.bicep",
    "infra/tools/settings_table.py",
    "tests/infra/test_package.py",
    "scoring/cli.py",
    "local_cloud/cli.py",
    "benchmarks/run.py",
    "samples/painting.py",
    "docs/deploy.md",
    "local.settings.json",
    "local.settings.json.example",
    ".env",
    ".git/config",
    ".venv/lib/site.py",
    ".venv-scoring/lib/site.py",
    ".azure/dev/.env",
    "node_modules/azurite/package.json",
    "orchestration/__pycache__/app.cpython-313.pyc",
    "requirements-dev.txt",
)
MUST = ("function_app.py", "host.json", "requirements.txt")
INSTALLED = (".python_packages/lib/site-packages/pydantic/main.py", ".python_packages/lib/site-packages/av.libs/x.so")


def git(*arguments: str, folder: Path) -> list[str]:
    """Run git and return the lines of its output."""
    answer = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return answer.stdout.splitlines()


def tracked() -> list[str]:
    return git("ls-files", "--cached", "--others", "--exclude-standard", folder=REPOSITORY)


@pytest.fixture
def package(tmp_path: Path) -> set[str]:
    """The files that .funcignore lets through, of those here and of some that a working folder may hold."""
    for name in {*tracked(), *NEVER, *INSTALLED} - {name for name in NEVER if name.startswith(".git/")}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    git("init", "--quiet", ".", folder=tmp_path)
    ignored = REPOSITORY / ".funcignore"
    return set(git("ls-files", "--others", f"--exclude-from={ignored}", folder=tmp_path))


def test_package_holds_what_the_app_needs(package: set[str]) -> None:
    assert {*MUST, *INSTALLED} <= package
    needed = {name for name in tracked() if re.match(r"(orchestration|frame_tools)/.*\.py$", name)}
    assert needed <= package


def test_package_holds_nothing_else(package: set[str]) -> None:
    assert not package & set(NEVER)
    folders = ("orchestration/", "frame_tools/", ".python_packages/")
    assert {name for name in package if not name.startswith(folders)} == set(MUST)
