"""The hooks of `azd up` against a stand-in for the Azure CLI."""

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.hooks import image, package, preflight
from infra.hooks.__main__ import HOOKS, main
from infra.hooks.azure import AzureCli, HookError
from infra.hooks.function_list import expected_functions
from infra.hooks.image import content_tag, context_files, copy_context
from infra.hooks.pool import pool_of
from infra.hooks.quota import missing_kinds, read_quota
from infra.hooks.trigger import Waiting, connect_trigger, validate
from tests.infra.deployments import BICEP, REPOSITORY, outputs
from tests.support import host_call

STUB = f"""#!{sys.executable}
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
line = " ".join([pathlib.Path(__file__).name, *sys.argv[1:]])
with (folder / "calls").open("a") as calls:
    calls.write(line + "\\n")
context = pathlib.Path(sys.argv[-1])
if "build" in sys.argv and context.is_dir():
    (folder / "context").write_text("\\n".join(str(p.relative_to(context)) for p in context.rglob("*") if p.is_file()))
for start, code, text, contains in json.loads((folder / "answers").read_text()):
    if line.startswith(start) and contains in line:
        print(text)
        sys.exit(code)
"""


class Commands:
    """Stand-ins for `az`, `azd` and `docker`, which record their calls. A call without an answer succeeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: list[tuple[str, int, str, str]] = []
        self.answer()

    def install(self, name: str) -> None:
        (self.folder / name).write_text(STUB, encoding="utf-8")
        (self.folder / name).chmod(0o755)

    def answer(self, start: str = "", code: int = 0, text: str = "", contains: str = "") -> None:
        """Answer calls that begin with `start` and contain a text; the first answer that fits counts."""
        if start:
            self.answers.append((start, code, text, contains))
        (self.folder / "answers").write_text(json.dumps(self.answers), encoding="utf-8")

    @property
    def calls(self) -> list[str]:
        calls = self.folder / "calls"
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []

    @property
    def context(self) -> set[str]:
        """Files of the folder that the last build uploaded."""
        return set((self.folder / "context").read_text(encoding="utf-8").splitlines())


ENVIRON = {
    "AZURE_LOCATION": "westeurope",
    "AZURE_RESOURCE_GROUP": "paint",
    "AZURE_FUNCTION_APP_NAME": "func-1",
    "AZURE_CONTAINER_REGISTRY_NAME": "crx",
    "AZURE_BATCH_ACCOUNT_NAME": "bax",
    "EVENT_TOPIC_NAME": "evgt-1",
    "NODE_IMAGE": "crx.azurecr.io/impasto-node:1",
    "IMPASTO_API": "https://func-1.example.org/api",
    "IMPASTO_WORKBOOK": "https://portal.example.org/#@/resource/workbook",
    "OPS__blobServiceUri": "https://stops123.blob.core.windows.net",
}


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    for name in ("AZURE_ENV_NAME", "IMPASTO_NETWORK", "IMPASTO_POOL", "IMPASTO_UPLOAD_FROM"):
        monkeypatch.delenv(name, raising=False)
    commands = Commands(folder)
    for name in ("az", "azd"):
        commands.install(name)
    return commands


def test_azure_yaml_runs_the_hooks_on_every_system() -> None:
    text = (REPOSITORY / "azure.yaml").read_text(encoding="utf-8")
    posix = [line.partition("run: ")[2] for line in text.splitlines() if "run: python3 " in line]
    windows = [line.partition("run: ")[2] for line in text.splitlines() if "run: python " in line]
    assert {line.rpartition(" ")[2] for line in posix} == set(HOOKS)
    assert all(line.startswith("python3 -m infra.hooks ") for line in posix)
    assert [line.replace("python3 ", "python ") for line in posix] == windows


SHELLS = {name: shell for name in ("sh", "pwsh") if (shell := shutil.which(name))}
"""The shells of azure.yaml that this machine has."""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("missing", "code"), [("", 0), ("AZURE_RESOURCE_GROUP", 1)])
def test_hook_runs_in_the_shell_that_azd_calls(commands: Commands, shell: str, missing: str, code: int) -> None:
    """Both shells call the same program, and its exit code decides whether azd goes on."""
    python = {"sh": "python3", "pwsh": "python"}[shell]
    wrapper = commands.folder / python
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    text = (REPOSITORY / "azure.yaml").read_text(encoding="utf-8")
    (line,) = re.findall(rf"run: ({python} -m infra\.hooks postup)$", text, re.MULTILINE)
    environ = {name: value for name, value in os.environ.items() if name != missing}
    answer = subprocess.run(
        [SHELLS[shell], "-c", line], cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, missing in answer.stderr) == (code, True)
    assert bool(commands.calls) is (code == 0)


def test_environment_of_the_hooks_comes_from_azd_and_the_outputs() -> None:
    of_azd = {"AZURE_LOCATION", "AZURE_RESOURCE_GROUP"}
    assert set(ENVIRON) - of_azd <= set(outputs("main"))


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["postup", "more"]])
def test_wrong_usage_lists_the_hooks(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "postprovision" in capsys.readouterr().err


def test_missing_azure_cli_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["postup"]) == 1
    assert "install-azure-cli" in capsys.readouterr().err


def test_missing_value_is_named(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NODE_IMAGE")
    assert main(["postprovision"]) == 1
    assert "NODE_IMAGE" in capsys.readouterr().err
    assert not commands.calls


# The node image.


def test_build_context_holds_both_packages_only() -> None:
    """Which of their files: tests/infra/test_node_image.py."""
    assert {name.parts[0] for name in context_files(REPOSITORY)} == {"frame_tools", "scoring"}


def test_build_context_leaves_out_what_was_made_here(tmp_path: Path) -> None:
    excluded = (
        "scoring/weights/w.safetensors",
        "frame_tools/__pycache__/b.pyc",
        "scoring/requirements-dev.txt",
        ".venv/c",
    )
    for name in ("scoring/a.py", *excluded, "d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    copy_context(tmp_path, tmp_path / "out")
    assert [str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()] == [
        "scoring/a.py"
    ]


def test_tag_follows_content_and_names(tmp_path: Path) -> None:
    (tmp_path / "scoring").mkdir()
    file = tmp_path / "scoring" / "a.py"
    file.write_text("1")
    first = content_tag(tmp_path)
    assert content_tag(tmp_path) == first
    file.write_text("2")
    assert content_tag(tmp_path) != first
    file.write_text("1")
    (tmp_path / "other.py").write_text("not in the image")
    assert content_tag(tmp_path) == first
    file.rename(tmp_path / "scoring" / "b.py")
    assert content_tag(tmp_path) != first


def test_image_is_built_in_the_registry(commands: Commands) -> None:
    commands.answer("az acr repository", 1)
    assert main(["postprovision"]) == 0
    (build,) = [line for line in commands.calls if line.startswith("az acr build")]
    assert "--registry crx --image impasto-node:1 --file scoring/Dockerfile --platform linux/amd64" in build
    assert {name.partition("/")[0] for name in commands.context} == {"scoring", "frame_tools"}


def test_existing_image_is_not_built(commands: Commands) -> None:
    assert main(["postprovision"]) == 0
    assert [line.partition("--")[0] for line in commands.calls] == ["az acr repository show "]


def test_docker_builds_where_the_registry_refuses(commands: Commands) -> None:
    commands.install("docker")
    commands.answer("az acr repository", 1)
    commands.answer("az acr build", 1)
    assert main(["postprovision"]) == 0
    assert [line for line in commands.calls if "login" in line] == ["az acr login --name crx"]
    (build, push) = [line for line in commands.calls if line.startswith("docker")]
    assert build.startswith("docker build --platform linux/amd64 --tag crx.azurecr.io/impasto-node:1 ")
    assert push == "docker push crx.azurecr.io/impasto-node:1"


@pytest.mark.parametrize("failing", ["az acr login", "docker build", "docker push"])
def test_failing_docker_does_not_stop_azd(commands: Commands, failing: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Docker that is installed but off, or may not push, is as good as none: the app is deployed all the same."""
    commands.install("docker")
    commands.answer("az acr repository", 1)
    commands.answer("az acr build", 1)
    commands.answer(failing, 1)
    assert main(["postprovision"]) == 0
    assert commands.calls[-1].startswith(failing)
    printed = capsys.readouterr().out
    assert "az acr login --name crx" in printed
    assert "docker push crx.azurecr.io/impasto-node:1" in printed


@pytest.mark.parametrize("reason", ["private", "refused"])
def test_image_that_cannot_be_built_does_not_stop_azd(
    commands: Commands, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.answer("az acr repository", 1)
    commands.answer("az acr build", 1)
    if reason == "private":
        monkeypatch.setenv("IMPASTO_NETWORK", "private")
    assert main(["postprovision"]) == 0
    assert bool(commands.calls) is (reason == "refused")
    printed = capsys.readouterr().out
    assert "az acr login --name crx" in printed
    assert "docker push crx.azurecr.io/impasto-node:1" in printed


# The checks before a deployment.


@pytest.fixture
def region(commands: Commands) -> Commands:
    """A subscription in which everything is registered and the region offers everything."""
    commands.answer("az provider show", 0, "Registered")
    commands.answer("az functionapp list-flexconsumption-locations", 0, "northeurope\nwesteurope")
    commands.answer("az batch location list-skus", 0, "Standard_D2s_v3\nStandard_NC4as_T4_v3")
    return commands


def test_preflight_sets_the_image_tag(region: Commands) -> None:
    assert main(["preprovision"]) == 0
    assert f"azd env set IMPASTO_NODE_IMAGE_TAG {content_tag(REPOSITORY)}" in region.calls
    assert not [line for line in region.calls if "register" in line]


def test_preflight_registers_providers(commands: Commands) -> None:
    commands.answer("az provider show --namespace Microsoft.Batch ", 0, "NotRegistered")
    commands.answer("az provider show", 0, "Registered")
    commands.answer("az batch", 0, "Standard_NC4as_T4_v3")
    assert main(["preprovision"]) == 0
    assert [line for line in commands.calls if "register" in line] == [
        "az provider register --namespace Microsoft.Batch --wait"
    ]


def test_preflight_covers_the_providers_of_the_templates() -> None:
    types = set()
    for path in BICEP.rglob("*.snapshot.json"):
        types |= {item["type"].partition("/")[0] for item in json.loads(path.read_text())["predictedResources"]}
    # These are registered in every subscription.
    assert types - {"Microsoft.Authorization", "Microsoft.Consumption"} <= set(preflight.PROVIDERS)


def test_preflight_checks_the_name_of_the_environment(
    region: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZURE_ENV_NAME", "my_paint")
    assert main(["preprovision"]) == 1
    assert "my_paint" in capsys.readouterr().err
    assert not region.calls


@pytest.mark.parametrize("name", ["a_b", "a.b", "a(b)", "-ab", "ab-", "a", "a" * 65, "ärger", "a b", "ab\n"])
def test_names_that_resources_cannot_have_are_refused(name: str) -> None:
    with pytest.raises(HookError, match=re.escape(repr(name))):
        preflight.check_name(name)


@pytest.mark.parametrize("name", ["", "ab", "Paint-2", "1-a", "a" * 64])
def test_names_of_letters_digits_and_hyphens_are_accepted(name: str) -> None:
    preflight.check_name(name)


@pytest.mark.parametrize(
    ("start", "code", "text", "pool", "named"),
    [
        ("az provider register", 1, "", "", "Microsoft.App"),
        ("az functionapp list-flex", 0, "northeurope", "", "northeurope"),
        ("az batch location", 1, "", "", "westeurope"),
        ("az batch location", 0, "Standard_NV6\nStandard_D2", "", "Standard_NV6"),
        ("az nothing", 0, "", '{"vmSize": "Standard_X"}', "Standard_X"),
        ("az nothing", 0, "", "[1]", "IMPASTO_POOL"),
        ("az feature show", 0, "NotRegistered", '{"encryptionAtHost": true}', "EncryptionAtHost"),
    ],
)
def test_preflight_names_what_is_missing(
    commands: Commands,
    start: str,
    code: int,
    text: str,
    pool: str,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commands.answer(start, code, text)
    commands.answer("az provider show", 0, "" if "register" in start else "Registered")
    commands.answer("az functionapp list-flex", 0, "westeurope")
    commands.answer("az batch location", 0, "Standard_NC4as_T4_v3")
    monkeypatch.setenv("IMPASTO_POOL", pool)
    assert main(["preprovision"]) == 1
    assert named in capsys.readouterr().err
    assert not [line for line in commands.calls if line.startswith("azd")]


# The trigger.

FUNCTIONS = "\n".join(f"func-1/{name}" for name in sorted(expected_functions()))


@pytest.fixture
def loaded(commands: Commands) -> Commands:
    """An app whose host has its key and all functions."""
    commands.answer("az functionapp keys", 0, "s3cret/key")
    commands.answer("az functionapp function list", 0, FUNCTIONS)
    return commands


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def waiting(self) -> Waiting:
        return Waiting(now=lambda: self.seconds, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class App(http.server.BaseHTTPRequestHandler):
    """The webhook of the app: answers each request with the next of `codes`, the last one for ever."""

    codes: list[int]
    requests: list[tuple[str, str | None]]
    url: str
    echo = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).requests.append((self.path, self.headers["aeg-event-type"]))
        code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
        self.send_response(code)
        self.end_headers()
        answer = body[0]["data"]["validationCode"] if self.echo else "hello"
        self.wfile.write(json.dumps({"validationResponse": answer}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def app() -> Iterator[type[App]]:
    handler: type[App] = type("Handler", (App,), {"codes": [200], "requests": []})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_port}/api"
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def connect(url: str, clock: Clock) -> None:
    connect_trigger(AzureCli(), {**ENVIRON, "IMPASTO_API": url}, clock.waiting())


def test_trigger_waits_for_the_key_and_the_function(loaded: Commands, app: type[App]) -> None:
    app.codes = [404, 401, 200]
    clock = Clock()
    connect(app.url, clock)
    assert clock.seconds == 30
    path, event_type = app.requests[-1]
    assert path == "/runtime/webhooks/blobs?functionName=Host.Functions.start_run&code=s3cret%2Fkey"
    assert event_type == "SubscriptionValidation"
    (deployment,) = [line for line in loaded.calls if line.startswith("az deployment")]
    parameters = "functionAppName=func-1 topicName=evgt-1 opsAccountName=stops123 keepDeadLetters=true"
    assert deployment.endswith(f"--parameters {parameters}")
    assert str(BICEP / "blobtrigger.bicep") in deployment


def test_trigger_gives_up_after_ten_minutes(commands: Commands, app: type[App]) -> None:
    clock = Clock()
    with pytest.raises(HookError, match=r"blobs_extension.*azd hooks run postdeploy"):
        connect(app.url, clock)
    assert clock.seconds == 600
    assert not app.requests
    assert not [line for line in commands.calls if line.startswith("az deployment")]


@pytest.mark.parametrize("listing", ["", "func-1/sweep", FUNCTIONS.replace("func-1/start_run\n", "")])
def test_trigger_is_not_connected_to_a_host_without_functions(commands: Commands, app: type[App], listing: str) -> None:
    """The host runs and answers although the app could not be imported."""
    commands.answer("az functionapp keys", 0, "key")
    commands.answer("az functionapp function list", 0, listing)
    with pytest.raises(HookError, match="start_run"):
        connect(app.url, Clock())
    assert not [line for line in commands.calls if line.startswith("az deployment")]


def test_expected_functions_are_those_that_the_app_registers() -> None:
    assert expected_functions() == set(host_call.FUNCTIONS)


def test_trigger_repeats_a_refused_deployment(loaded: Commands, app: type[App]) -> None:
    loaded.answer("az deployment", 1)
    with pytest.raises(HookError, match="Event Grid"):
        connect(app.url, Clock())
    deployments = [line for line in loaded.calls if line.startswith("az deployment")]
    assert [line.rpartition("=")[2] for line in deployments] == ["true"] * 3 + ["false"] * 38


def test_refused_dead_letters_are_left_out(
    loaded: Commands, app: type[App], capsys: pytest.CaptureFixture[str]
) -> None:
    loaded.answer("az deployment group create", 1, "", contains="keepDeadLetters=true")
    connect(app.url, Clock())
    deployments = [line for line in loaded.calls if line.startswith("az deployment")]
    assert [line.rpartition("=")[2] for line in deployments] == ["true", "true", "true", "false"]
    assert "sweep" in capsys.readouterr().out


def test_validation_rejects_other_answers(app: type[App]) -> None:
    assert validate(app.url, "key") is None
    app.echo = False
    assert "validation code" in str(validate(app.url, "key"))
    app.codes = [503]
    assert "503" in str(validate(app.url, "key"))
    assert validate("http://127.0.0.1:1/api", "key")


def test_key_is_never_printed(loaded: Commands, app: type[App], capfd: pytest.CaptureFixture[str]) -> None:
    app.codes = [500, 200]
    connect(app.url, Clock())
    printed = capfd.readouterr()
    assert "s3cret" not in printed.out + printed.err


# The package and the summary.


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the packages, with an old file."""
    target = tmp_path / ".python_packages"
    (target / "old").mkdir(parents=True)
    monkeypatch.setattr(package, "_TARGET", target)
    return target


@pytest.mark.parametrize("installer", ["uv", f"python{package.PYTHON}"])
def test_package_is_built_for_the_runtime(
    commands: Commands, packages: Path, installer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.install(installer)
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    assert main(["prepackage"]) == 0
    assert not (packages / "old").exists()
    (call,) = commands.calls
    target = packages / "lib" / "site-packages"
    assert call.endswith(f"--requirement {REPOSITORY / 'requirements.txt'} --target {target}")
    assert "manylinux_2_28" in call
    assert ("--python-version 3.13" in call) is (installer == "uv")


def test_package_needs_an_installer_for_the_runtime(
    commands: Commands, packages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    assert main(["prepackage"]) == 1
    assert package.PYTHON in capsys.readouterr().err


def test_failing_installation_is_an_error(commands: Commands, packages: Path) -> None:
    commands.install("uv")
    commands.answer("uv pip", 1)
    assert main(["prepackage"]) == 1


def test_packages_are_removed_after_packaging(commands: Commands, packages: Path) -> None:
    assert main(["postpackage"]) == 0
    assert not packages.exists()
    assert main(["postpackage"]) == 0


def test_package_python_is_the_runtime_of_the_app() -> None:
    text = (BICEP / "modules" / "functions.bicep").read_text(encoding="utf-8")
    assert f"version: '{package.PYTHON}'" in text


def test_tag_is_a_valid_image_tag() -> None:
    assert len(content_tag(REPOSITORY)) == image.TAG_LENGTH


@pytest.mark.parametrize("reach", ["", "203.0.113.7"])
def test_summary_names_the_next_steps(
    commands: Commands, reach: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMPASTO_UPLOAD_FROM", reach)
    assert main(["postup"]) == 0
    printed = capsys.readouterr().out
    assert "https://func-1.example.org/api" in printed
    assert ENVIRON["IMPASTO_WORKBOOK"] in printed
    assert (reach or "azd env set IMPASTO_UPLOAD_FROM") in printed
    assert "Quota:" in printed
    assert "impasto paint" in printed


# The quota.

ACCOUNT_ID = "/subscriptions/1/resourceGroups/paint/providers/Microsoft.Batch/batchAccounts/bax"


def batch_account(spot: int | None, total: int | None, family: int | None, **more: object) -> str:
    """Return what `az batch account show` prints."""
    families = [{"name": "standardNCFamily", "coreQuota": 9}]
    if family is not None:
        families.append({"name": "standardNCASv3_T4Family", "coreQuota": family})
    return json.dumps(
        {
            "id": ACCOUNT_ID,
            "lowPriorityCoreQuota": spot,
            "dedicatedCoreQuota": total,
            "dedicatedCoreQuotaPerVmFamily": families,
            "dedicatedCoreQuotaPerVmFamilyEnforced": True,
        }
        | more
    )


SIZES = "Standard_D2s_v3\tstandardDSv3Family\nStandard_NC4as_T4_v3\tStandardNCASv3_T4Family"


class Answers(AzureCli):
    """An Azure CLI with an account and these sizes, without a process."""

    def __init__(self, account: str) -> None:
        self.account = account

    def read(self, *arguments: str) -> str | None:
        return self.account if "account" in arguments else SIZES


SPOT_ONLY = '{"maxDedicatedNodes": 0}'
DEDICATED_ONLY = '{"maxSpotNodes": 0}'
BY_ACCOUNT = {"dedicatedCoreQuotaPerVmFamilyEnforced": False}


@pytest.mark.parametrize(
    ("account", "pool", "missing"),
    [
        (batch_account(16, 100, 8), "", []),
        (batch_account(0, 100, 8), "", ["Spot"]),
        (batch_account(16, 100, 0), "", ["dedicated"]),
        (batch_account(16, 100, None), DEDICATED_ONLY, ["dedicated"]),
        (batch_account(0, 0, 8), "", ["Spot", "dedicated"]),
        (batch_account(0, 100, 8), DEDICATED_ONLY, []),
        (batch_account(16, 100, 0), SPOT_ONLY, []),
        (batch_account(16, 100, 0, **BY_ACCOUNT), DEDICATED_ONLY, []),
        (batch_account(16, 0, 8, **BY_ACCOUNT), DEDICATED_ONLY, ["dedicated"]),
        (batch_account(None, None, 8), "", []),
        (batch_account(16, 100, 0).replace("PerVmFamily", "PerVMFamily"), DEDICATED_ONLY, ["dedicated"]),
        (batch_account(16, 100, 0), '{"maxSpotNodes": 0, "vmSize": "Standard_NC6"}', []),
    ],
)
def test_kinds_of_nodes_without_quota(account: str, pool: str, missing: list[str]) -> None:
    """A size whose family is not known is not reported, and neither is a quota that belongs to the subscription."""
    requested = pool_of({"IMPASTO_POOL": pool})
    quota = read_quota(Answers(account), group="paint", account="bax", location="westeurope", vm_size=requested.vm_size)
    assert quota is not None
    assert missing_kinds(quota, requested) == missing


@pytest.mark.parametrize("family", [0, 8])
def test_summary_links_to_the_quota_and_names_what_is_missing(
    commands: Commands, family: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMPASTO_POOL", DEDICATED_ONLY)
    commands.answer("az batch account show", 0, batch_account(0, 100, family))
    commands.answer("az batch location list-skus", 0, SIZES)
    assert main(["postup"]) == 0
    printed = capsys.readouterr().out
    assert f"https://portal.example.org/#@/resource{ACCOUNT_ID}/overview" in printed
    assert re.findall(r"no cores for (.+) nodes", printed) == ([] if family else ["dedicated"])


def test_quota_that_cannot_be_read_names_the_account(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    commands.answer("az batch account show", 1)
    assert main(["postup"]) == 0
    assert re.search(r"Quota:.*\bbax\b", capsys.readouterr().out)


def test_pool_of_the_hooks_has_the_defaults_of_the_template() -> None:
    text = (BICEP / "modules" / "batch.bicep").read_text(encoding="utf-8")
    pool = pool_of({})
    assert f"pool.?maxSpotNodes ?? {pool.spot_nodes} " in text
    assert f"pool.?maxDedicatedNodes ?? {pool.dedicated_nodes} " in text
    assert f"pool.?vmSize ?? '{pool.vm_size}'" in text


@pytest.mark.parametrize("count", ["-1", '"4"', "true", "1.5"])
def test_number_of_nodes_is_checked(count: str) -> None:
    with pytest.raises(HookError, match="maxSpotNodes"):
        pool_of({"IMPASTO_POOL": f'{{"maxSpotNodes": {count}}}'})
