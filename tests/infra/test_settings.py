"""Code, templates, local example and README table agree on the settings."""

import inspect
import json
import re
from collections import Counter
from typing import Any

import pytest
from azure.functions.decorators.function_app import Function

from frame_tools.storage import accounts
from infra.tools.settings_table import END, EXAMPLE, PAGE, example, page_with, table
from local_cloud.accounts import Ports, app_settings
from orchestration import app as application
from orchestration.app import App
from orchestration.settings import HostSettings, Settings
from tests.infra.deployments import REPOSITORY, SETS, deployment, of_kind
from tests.support.host_call import FUNCTIONS

FIELDS = {name.upper(): field for model in (HostSettings, Settings) for name, field in model.model_fields.items()}
ACCOUNT_SETTINGS = {
    f"{account}__{what}"
    for account in ("DATA", "OPS")
    for what in ("blobServiceUri", "queueServiceUri", "credential", "clientId")
}
HOST_SETTINGS_NAMES = {
    *(f"AzureWebJobsStorage__{what}ServiceUri" for what in ("blob", "queue", "table")),
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AZURE_CLIENT_ID",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
    "PYTHON_THREADPOOL_THREAD_COUNT",
}
LOCAL_HOST_SETTINGS = {
    "FUNCTIONS_WORKER_RUNTIME",
    "AzureWebJobsStorage",
    "AzureFunctionsWebHost__hostid",
    "PYTHON_THREADPOOL_THREAD_COUNT",
    "DATA",
    "OPS",
}


def deployed_settings(name: str) -> dict[str, Any]:
    """Return the app settings of a parameter set, with the storage suffix of the public cloud."""
    (settings,) = [each for each in of_kind(deployment(name), "Web/sites/config") if each.name == "appsettings"]
    endpoint = re.compile(r"\[format\('https://\{0\}\.(\w+)\.\{1\}', '(\w+)', environment\(\)\.suffixes\.storage\)\]")
    return {
        key: endpoint.sub(r"https://\2.\1.core.windows.net", value)
        for key, value in settings.body["properties"].items()
    }


@pytest.mark.parametrize("name", sorted(SETS))
def test_templates_set_exactly_what_the_app_reads(name: str) -> None:
    assert set(deployed_settings(name)) == set(FIELDS) | ACCOUNT_SETTINGS | HOST_SETTINGS_NAMES


def test_template_limits_equal_code_defaults() -> None:
    deployed = deployed_settings("main")
    for name, field in FIELDS.items():
        if field.default not in (None, "") and not field.is_required():
            assert str(deployed[name]) == str(field.default), name


def test_app_starts_with_template_settings() -> None:
    environ = {name: str(value) for name, value in deployed_settings("main").items()}
    app = App.from_environment({**environ, "BATCH_ENDPOINT": "https://ba1.westeurope.batch.azure.com"})
    assert app.settings.max_open_runs == 20
    assert set(app.task_environment) == {
        *(f"{a}__{w}ServiceUri" for a in ("DATA", "OPS") for w in ("blob", "queue")),
        "AZURE_CLIENT_ID",
    }
    assert app.task_environment["AZURE_CLIENT_ID"] == deployed_settings("main")["NODE_CLIENT_ID"]
    assert app.task_environment["AZURE_CLIENT_ID"] != deployed_settings("main")["AZURE_CLIENT_ID"]


def test_code_reads_no_other_account_setting() -> None:
    source = inspect.getsource(accounts)
    read = set(re.findall(r"\{(?:self\.)?setting\}__(\w+)", source))
    assert {"blobServiceUri", "queueServiceUri", "clientId"} <= read
    assert read <= {name.partition("__")[2] for name in ACCOUNT_SETTINGS}
    assert "os.environ" not in source
    assert inspect.getsource(application).count("os.environ") == 1


def local_example() -> dict[str, str]:
    values: dict[str, str] = json.loads(EXAMPLE.read_text(encoding="utf-8"))["Values"]
    return values


def test_local_example_has_exactly_the_read_settings() -> None:
    assert set(local_example()) == set(FIELDS) | LOCAL_HOST_SETTINGS


def test_local_example_has_code_defaults() -> None:
    local = app_settings(Ports())
    for name, field in FIELDS.items():
        if name not in local:
            assert local_example()[name] == str(field.default), name


def test_app_starts_with_local_example() -> None:
    settings = App.from_environment(local_example()).settings
    assert settings == App.from_environment(app_settings(Ports())).settings
    assert HostSettings.from_environment(local_example()).trigger_source == "LogsAndContainerScan"


def test_readme_names_exactly_the_settings() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("<!-- settings -->")[2].partition(END)[0]
    rows = [row.split("|")[1] for row in text.strip().splitlines()[2:]]
    named = {name for row in rows for name in re.findall(r"[A-Za-z_]{3,}", row)}
    assert named == set(FIELDS) | {"AzureWebJobsStorage__"} | ACCOUNT_SETTINGS | {
        n for n in HOST_SETTINGS_NAMES if n.isupper()
    }


def test_table_and_example_are_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(page, table()), "run: python -m infra.tools.settings_table"
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "run: python -m infra.tools.settings_table"


def test_page_without_markers_raises() -> None:
    with pytest.raises(ValueError, match=END):
        page_with("no table", "text")


@pytest.mark.parametrize("name", sorted(SETS))
def test_outputs_contain_the_settings(name: str) -> None:
    text = (REPOSITORY / "infra" / "bicep" / "main.bicep").read_text(encoding="utf-8")
    outputs = set(re.findall(r"^output (\w+)", text, re.MULTILINE))
    assert {"BATCH_ENDPOINT", "BATCH_POOL_ID", "NODE_IMAGE"} <= outputs & set(deployed_settings(name))


def test_worker_has_a_thread_for_every_call_of_an_instance() -> None:
    """Calls without a thread wait inside the worker, where their timeout runs already."""
    host = json.loads((REPOSITORY / "host.json").read_text(encoding="utf-8"))["extensions"]
    triggers = Counter(binding["type"] for function in FUNCTIONS.values() for binding in triggers_of(function))
    per_queue = host["queues"]["batchSize"] + host["queues"]["newBatchThreshold"]
    (site,) = of_kind(deployment("main"), "Web/sites")
    scale = site.get("properties", "functionAppConfig", "scaleAndConcurrency")
    calls = triggers["queueTrigger"] * per_queue + triggers["blobTrigger"] * host["blobs"]["maxDegreeOfParallelism"]
    calls += triggers["timerTrigger"] + scale["triggers"]["http"]["perInstanceConcurrency"]
    assert calls == 81
    threads = int(deployed_settings("main")["PYTHON_THREADPOOL_THREAD_COUNT"])
    assert calls <= threads <= 2 * calls
    assert local_example()["PYTHON_THREADPOOL_THREAD_COUNT"] == str(threads)


def triggers_of(function: Function) -> list[dict[str, Any]]:
    bindings: list[dict[str, Any]] = json.loads(function.get_function_json())["bindings"]
    return [binding for binding in bindings if binding["type"].endswith("Trigger")]


def test_host_logs_warnings_of_the_azure_sdk_only() -> None:
    """Azure.Core, Azure.Identity and the other categories of the SDK begin with Azure."""
    host = json.loads((REPOSITORY / "host.json").read_text(encoding="utf-8"))
    assert host["logging"]["logLevel"] == {"default": "Information", "Azure": "Warning"}
