"""What is deployed: the Function App's package by .funcignore, and what azd and the scripts name."""

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


def git(*arguments: str, folder: Path) -> list[str]:
    """Run git and return the lines of what it says."""
    answer = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return answer.stdout.splitlines()


def tracked() -> list[str]:
    return git("ls-files", "--cached", "--others", "--exclude-standard", folder=REPOSITORY)


@pytest.fixture
def package(tmp_path: Path) -> set[str]:
    """The files that .funcignore lets through, of those here and of some that a person's folder may hold."""
    for name in {*tracked(), *NEVER} - {name for name in NEVER if name.startswith(".git/")}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    git("init", "--quiet", ".", folder=tmp_path)
    ignored = REPOSITORY / ".funcignore"
    return set(git("ls-files", "--others", f"--exclude-from={ignored}", folder=tmp_path))


def test_the_package_holds_what_the_app_needs(package: set[str]) -> None:
    assert set(MUST) <= package
    needed = {name for name in tracked() if re.match(r"(orchestration|frame_tools)/.*\.py$", name)}
    assert needed <= package


def test_the_package_holds_nothing_else(package: set[str]) -> None:
    assert not package & set(NEVER)
    strange = {name for name in package if not name.startswith(("orchestration/", "frame_tools/"))} - set(MUST)
    assert strange <= set()


def test_azd_names_files_that_exist() -> None:
    text = (REPOSITORY / "azure.yaml").read_text(encoding="utf-8")
    runs = re.findall(r"run: (\S+)", text)
    assert len(runs) == 4
    assert all((REPOSITORY / run).is_file() for run in runs)
    assert (REPOSITORY / "infra" / "bicep" / "main.bicep").is_file()


@pytest.mark.parametrize("name", ["build_image", "connect_trigger"])
def test_scripts_are_readable_and_use_the_templates_outputs(name: str) -> None:
    outputs = set(re.findall(r"^output (\w+)", (REPOSITORY / "infra/bicep/main.bicep").read_text(), re.MULTILINE))
    scripts = REPOSITORY / "infra" / "scripts"
    subprocess.run(["sh", "-n", str(scripts / f"{name}.sh")], check=True)
    shell = set(re.findall(r"\$\{?([A-Z]\w+)", (scripts / f"{name}.sh").read_text(encoding="utf-8")))
    power = set(re.findall(r"\$env:(\w+)", (scripts / f"{name}.ps1").read_text(encoding="utf-8")))
    assert shell == power
    assert shell <= outputs | {"AZURE_RESOURCE_GROUP"}


FAKE_AZ = """#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
[ "$1 $2" != "acr repository" ]
"""


def run_script(name: str, folder: Path, **environ: str) -> list[str]:
    """Run a script with a stand-in for az that writes down how it is called; returns the calls."""
    (folder / "az").write_text(FAKE_AZ)
    (folder / "az").chmod(0o755)
    calls = folder / "calls"
    environ |= {"PATH": f"{folder}:/usr/bin:/bin", "CALLS": str(calls)}
    subprocess.run(["sh", str(REPOSITORY / "infra" / "scripts" / name)], env=environ, cwd=REPOSITORY, check=True)
    return calls.read_text().splitlines()


def test_the_image_is_built_under_the_settings_name(tmp_path: Path) -> None:
    calls = run_script(
        "build_image.sh", tmp_path, NODE_IMAGE="crx.azurecr.io/impasto-node:1", AZURE_CONTAINER_REGISTRY_NAME="crx"
    )
    assert calls[1].startswith("acr build --registry crx --image impasto-node:1 --file scoring/Dockerfile ")


def test_the_trigger_is_connected_with_the_accounts_name(tmp_path: Path) -> None:
    (call,) = run_script(
        "connect_trigger.sh",
        tmp_path,
        OPS__blobServiceUri="https://stops123.blob.core.windows.net",
        AZURE_RESOURCE_GROUP="paint",
        AZURE_FUNCTION_APP_NAME="func-1",
        EVENT_TOPIC_NAME="evgt-1",
    )
    assert call.endswith("--parameters functionAppName=func-1 topicName=evgt-1 opsAccountName=stops123")
