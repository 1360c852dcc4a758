"""GitHub workflows: least privilege, pinned actions, time limits, and make targets that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = [path.name for path in WORKFLOWS]
READ = {"contents": "read"}
GRANTED = {"azure-dev.yml": READ | {"id-token": "write"}}


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return loaded


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(load(path)["jobs"].values())


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path) for step in job["steps"]]


def make_targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8")))


def test_there_are_workflows() -> None:
    assert {"ci.yml", "core-tools.yml", "azure-dev.yml"} <= set(NAMES)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_jobs_have_least_privilege(path: Path) -> None:
    assert load(path)["permissions"] == {}
    assert [job["permissions"] for job in jobs(path)] == [GRANTED.get(path.name, READ)] * len(jobs(path))


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_actions_are_pinned_to_a_commit(path: Path) -> None:
    uses = re.findall(r"(?m)^\s*(?:- )?uses: (.+)$", path.read_text(encoding="utf-8"))
    assert uses
    assert [use for use in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


def test_one_action_has_one_version() -> None:
    uses = {use for path in WORKFLOWS for use in re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))}
    assert len(uses) == len({use.partition("@")[0] for use in uses})


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_checkout_keeps_no_credentials(path: Path) -> None:
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(jobs(path))
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_workflow_stores_no_secret(path: Path) -> None:
    assert "secrets." not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_make_targets_exist(path: Path) -> None:
    commands = "\n".join(step.get("run", "") for step in steps(path))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", commands)) <= make_targets()


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_files_in_commands_exist(path: Path) -> None:
    commands = "\n".join(step.get("run", "") for step in steps(path))
    named = re.findall(r"(?<![\w./])(?:infra|samples)/[\w/.-]+", commands)
    assert [name for name in named if not any(ROOT.glob(name.rstrip("/")))] == []


def test_deployment_sets_what_the_parameters_read() -> None:
    parameters = (ROOT / "infra" / "bicep" / "main.bicepparam").read_text(encoding="utf-8")
    # The preprovision hook sets the tag.
    read = set(re.findall(r"readEnvironmentVariable\('(\w+)'", parameters)) - {"IMPASTO_NODE_IMAGE_TAG"}
    (job,) = jobs(ROOT / ".github" / "workflows" / "azure-dev.yml")
    assert read <= set(job["env"])
    copied = set(load(ROOT / "azure.yaml")["pipeline"]["variables"])
    assert {name for name in read if name.startswith("IMPASTO_")} == copied


def test_cached_requirement_files_exist() -> None:
    for path in WORKFLOWS:
        for step in steps(path):
            files = step.get("with", {}).get("cache-dependency-path", "").split()
            assert [name for name in files if not (ROOT / name).is_file()] == []


def test_python_versions_are_the_documented_ones() -> None:
    setups = [
        step["with"]["python-version"].split()
        for path in WORKFLOWS
        for step in steps(path)
        if step.get("uses", "").startswith("actions/setup-python@")
    ]
    expected = sorted((ROOT / ".python-version").read_text(encoding="utf-8").split())
    assert setups == [expected] * len(setups)


def test_dependabot_covers_each_ecosystem() -> None:
    updates = load(ROOT / ".github" / "dependabot.yml")["updates"]
    ecosystems = {update["package-ecosystem"] for update in updates}
    assert ecosystems == {"uv", "npm", "docker", "devcontainers", "github-actions", "pre-commit"}
    for update in updates:
        for folder in update.get("directories", [update.get("directory")]):
            assert (ROOT / folder.lstrip("/")).is_dir()


def test_editor_tasks_match_the_commands() -> None:
    tasks = {task["label"]: task for task in json.loads((ROOT / ".vscode/tasks.json").read_text())["tasks"]}
    launches = json.loads((ROOT / ".vscode/launch.json").read_text())["configurations"]
    assert {launch["preLaunchTask"] for launch in launches if "preLaunchTask" in launch} <= set(tasks)
    assert set(tasks["func: host start"]["dependsOn"]) <= set(tasks)
    assert set(re.findall(r"make ([a-z-]+)", " ".join(task["command"] for task in tasks.values()))) <= make_targets()
    background = tasks["storage"]["problemMatcher"]["background"]
    printed = (ROOT / "local_cloud" / "cli.py").read_text(encoding="utf-8")
    for pattern in (background["beginsPattern"], background["endsPattern"]):
        assert f'"{pattern.lstrip("^")}' in printed


def test_editor_deploys_the_same_package_as_azd() -> None:
    """A remote build may use another Python than the app, so both upload packages that the hooks install."""
    settings = json.loads((ROOT / ".vscode/settings.json").read_text())
    service = load(ROOT / "azure.yaml")["services"]["functions"]
    assert settings["azureFunctions.scmDoBuildDuringDeployment"] is service["remoteBuild"] is False
    tasks = {task["label"]: task for task in json.loads((ROOT / ".vscode/tasks.json").read_text())["tasks"]}
    for setting, hook in (("preDeployTask", "prepackage"), ("postDeployTask", "postpackage")):
        task = tasks[settings[f"azureFunctions.{setting}"]]
        assert task["command"] == service["hooks"][hook]["posix"]["run"]
        assert task["windows"]["command"] == service["hooks"][hook]["windows"]["run"]


def test_editor_and_container_recommend_the_same_extensions() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    editor = json.loads((ROOT / ".vscode/extensions.json").read_text())
    assert container["customizations"]["vscode"]["extensions"] == editor["recommendations"]
