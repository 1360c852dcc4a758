"""The deployment package of the Function App: which files .funcignore lets through."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from infra.hooks.function_list import expected_functions
from tests.infra.deployments import REPOSITORY
from tests.unit.project.requirement_files import APP, versions

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


START = """
import json, sys

folder, packages, blocked = sys.argv[1], sys.argv[2], set(json.loads(sys.argv[3]))
sys.path[:0] = [folder, packages]


class Block:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is not in the package")


sys.meta_path.insert(0, Block)
import function_app

print(function_app.__file__, len(function_app.app.get_functions()))
"""


def test_app_starts_with_the_files_of_its_package_only(package: set[str], tmp_path: Path) -> None:
    """Its own files from a folder of their own, and of the installed packages those of requirements.txt."""
    folder = tmp_path / "deployed"
    for name in (name for name in package if (REPOSITORY / name).is_file() and not name.startswith(".python_packages")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, folder / name)
    deployed = {canonicalize_name(name) for name in versions(APP)}
    blocked = [
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & deployed
    ]
    assert {"pytest", "aiohttp", "matplotlib"} <= set(blocked)
    command = [sys.executable, "-S", "-c", START, str(folder), sysconfig.get_path("purelib"), json.dumps(blocked)]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    expected = [str(folder / "function_app.py"), str(len(expected_functions()))]
    assert (answer.returncode, answer.stdout.split()) == (0, expected), answer.stderr
