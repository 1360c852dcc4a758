"""One list of settings in four places: what the code reads, the templates, the local example, the guide's table."""

import inspect
import json
import re
from typing import Any

import pytest

from frame_tools.storage import accounts
from infra.tools.settings_table import END, EXAMPLE, PAGE, example, page_with, table
from local_cloud.accounts import Ports, app_settings
from orchestration import app as application
from orchestration.app import App
from orchestration.settings import HostSettings, Settings
from tests.infra.deployments import REPOSITORY, SETS, deployment, of_kind

FIELDS = {name.upper(): field for model in (HostSettings, Settings) for name, field in model.model_fields.items()}
OF_ACCOUNTS = {
    f"{account}__{what}"
    for account in ("DATA", "OPS")
    for what in ("blobServiceUri", "queueServiceUri", "credential", "clientId")
}
OF_HOST = {
    *(f"AzureWebJobsStorage__{what}ServiceUri" for what in ("blob", "queue", "table")),
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AZURE_CLIENT_ID",
}
LOCAL_ONLY = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "AzureFunctionsWebHost__hostid", "DATA", "OPS"}


def deployed_settings(name: str) -> dict[str, Any]:
    (settings,) = of_kind(deployment(name), "Web/sites/config")
    assert isinstance(settings.body["properties"], dict)
    return settings.body["properties"]


@pytest.mark.parametrize("name", sorted(SETS))
def test_the_templates_set_all_that_the_app_reads_and_nothing_else(name: str) -> None:
    assert set(deployed_settings(name)) == set(FIELDS) | OF_ACCOUNTS | OF_HOST


def test_the_templates_limits_are_the_codes_defaults() -> None:
    given = deployed_settings("main")
    for name, field in FIELDS.items():
        if field.default not in (None, "") and not field.is_required():
            assert str(given[name]) == str(field.default), name


def test_the_app_starts_with_the_templates_settings() -> None:
    environ = {name: str(value) for name, value in deployed_settings("main").items()}
    app = App.from_environment({**environ, "BATCH_ENDPOINT": "https://ba1.westeurope.batch.azure.com"})
    assert app.settings.max_open_runs == 20
    given = set(app.task_environment)
    assert given == {*(f"{a}__{w}ServiceUri" for a in ("DATA", "OPS") for w in ("blob", "queue")), "AZURE_CLIENT_ID"}
    assert app.task_environment["AZURE_CLIENT_ID"] == deployed_settings("main")["NODE_CLIENT_ID"]
    assert app.task_environment["AZURE_CLIENT_ID"] != deployed_settings("main")["AZURE_CLIENT_ID"]


def test_the_code_reads_no_other_setting_of_an_account() -> None:
    source = inspect.getsource(accounts)
    read = set(re.findall(r"\{(?:self\.)?setting\}__(\w+)", source))
    assert {"blobServiceUri", "queueServiceUri", "clientId"} <= read
    assert read <= {name.partition("__")[2] for name in OF_ACCOUNTS}
    assert "os.environ" not in source
    assert inspect.getsource(application).count("os.environ") == 1


def local_example() -> dict[str, str]:
    values: dict[str, str] = json.loads(EXAMPLE.read_text(encoding="utf-8"))["Values"]
    return values


def test_the_local_example_holds_all_that_the_app_reads_and_nothing_else() -> None:
    assert set(local_example()) == set(FIELDS) | LOCAL_ONLY


def test_the_local_example_has_the_codes_defaults_but_for_what_makes_it_local() -> None:
    local = app_settings(Ports())
    for name, field in FIELDS.items():
        if name not in local:
            assert local_example()[name] == str(field.default), name


def test_the_app_starts_with_the_local_example() -> None:
    settings = App.from_environment(local_example()).settings
    assert settings == App.from_environment(app_settings(Ports())).settings
    assert HostSettings.from_environment(local_example()).trigger_source == "LogsAndContainerScan"


def test_the_readmes_table_names_all_settings_and_no_others() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("<!-- settings -->")[2].partition(END)[0]
    rows = [row.split("|")[1] for row in text.strip().splitlines()[2:]]
    named = {name for row in rows for name in re.findall(r"[A-Za-z_]{3,}", row)}
    assert named == set(FIELDS) | {"AzureWebJobsStorage__"} | OF_ACCOUNTS | {n for n in OF_HOST if n.isupper()}


def test_table_and_example_are_what_the_code_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(page, table()), "run: python -m infra.tools.settings_table"
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "run: python -m infra.tools.settings_table"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match=END):
        page_with("no table", "text")


@pytest.mark.parametrize("name", sorted(SETS))
def test_outputs_repeat_the_settings(name: str) -> None:
    text = (REPOSITORY / "infra" / "bicep" / "main.bicep").read_text(encoding="utf-8")
    outputs = set(re.findall(r"^output (\w+)", text, re.MULTILINE))
    assert {"BATCH_ENDPOINT", "BATCH_POOL_ID", "NODE_IMAGE"} <= outputs & set(deployed_settings(name))
