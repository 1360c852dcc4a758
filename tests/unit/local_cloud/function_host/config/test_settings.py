"""Settings: sources, connections and the host id."""

import json
from pathlib import Path

import pytest

from local_cloud.function_host.config.settings import SettingsError, local_http_port, read_settings


def test_environment_overrides_local_settings(tmp_path: Path) -> None:
    content = {"IsEncrypted": False, "Values": {"ONE": "file", "TWO": "file"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(content))
    values = read_settings(tmp_path, {"TWO": "environment"}).values
    assert (values["ONE"], values["TWO"]) == ("file", "environment")


@pytest.mark.parametrize(
    ("environ", "name", "expected"),
    [
        ({"AzureWebJobsStorage": "host"}, None, "host"),
        ({"AzureWebJobsStorage": "host"}, "AzureWebJobsStorage", "host"),
        ({"AzureWebJobsStorage": "host"}, "Storage", "host"),
        ({"AzureWebJobsX": "first", "X": "second"}, "X", "first"),
        ({"X": "second"}, "X", "second"),
    ],
)
def test_connection_lookup(tmp_path: Path, environ: dict[str, str], name: str | None, expected: str) -> None:
    assert read_settings(tmp_path, environ).connection_string(name) == expected


def test_development_storage_is_expanded(tmp_path: Path) -> None:
    text = read_settings(tmp_path, {"X": "UseDevelopmentStorage=true"}).connection_string("X")
    assert "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;" in text


@pytest.mark.parametrize(
    ("environ", "named"),
    [({}, "connection X"), ({"X__accountName": "a"}, "X__accountName")],
)
def test_missing_connection_names_setting(tmp_path: Path, environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read_settings(tmp_path, environ).connection_string("X")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"AzureFunctionsWebHost__hostid": "Not-Lower"}, "AzureFunctionsWebHost__hostid 'Not-Lower'"),
        ({"AzureFunctionsWebHost__hostid": "a--b"}, "AzureFunctionsWebHost__hostid 'a--b'"),
        ({"LOCAL_HOST_MESSAGE_INVISIBILITY": "1"}, "LOCAL_HOST_MESSAGE_INVISIBILITY '1'"),
    ],
)
def test_invalid_host_setting_is_rejected(tmp_path: Path, environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read_settings(tmp_path, environ)


def test_host_id_depends_on_folder(tmp_path: Path) -> None:
    first, again = read_settings(tmp_path, {}).host_id, read_settings(tmp_path, {}).host_id
    other = read_settings(tmp_path / "other", {}).host_id
    assert first == again != other
    assert len(first) <= 32


@pytest.mark.parametrize(
    ("name", "value", "is_disabled"),
    [
        ("AzureWebJobs.Sweep.Disabled", "true", True),
        ("AzureWebJobs__sweep__Disabled", "1", True),
        ("AzureWebJobs.Sweep.Disabled", "false", False),
        ("AzureWebJobs.Other.Disabled", "true", False),
    ],
)
def test_disabled_functions(tmp_path: Path, name: str, value: str, is_disabled: bool) -> None:
    assert read_settings(tmp_path, {name: value}).is_disabled("sweep") is is_disabled


def test_local_http_port(tmp_path: Path) -> None:
    assert local_http_port(tmp_path) is None
    (tmp_path / "local.settings.json").write_text('{"Host": {"LocalHttpPort": 7072 /* second app */}}')
    assert local_http_port(tmp_path) == 7072
    (tmp_path / "local.settings.json").write_text('{"Host": {"LocalHttpPort": "x"}}')
    with pytest.raises(SettingsError, match="LocalHttpPort 'x'"):
        local_http_port(tmp_path)


def test_cors_of_local_settings(tmp_path: Path) -> None:
    assert read_settings(tmp_path, {}).cors_origins == ""
    (tmp_path / "local.settings.json").write_text('{"Host": {"CORS": "http://a,http://b", "CORSCredentials": true}}')
    settings = read_settings(tmp_path, {})
    assert (settings.cors_origins, settings.cors_credentials) == ("http://a,http://b", True)


def test_worker_processes(tmp_path: Path) -> None:
    assert read_settings(tmp_path, {}).worker_processes == 1
    assert read_settings(tmp_path, {"FUNCTIONS_WORKER_PROCESS_COUNT": "2"}).worker_processes == 2
    with pytest.raises(SettingsError, match="FUNCTIONS_WORKER_PROCESS_COUNT '11'"):
        read_settings(tmp_path, {"FUNCTIONS_WORKER_PROCESS_COUNT": "11"})


def test_limit_of_request_bodies(tmp_path: Path) -> None:
    assert read_settings(tmp_path, {}).max_body_bytes == 100 * 1024 * 1024
    assert read_settings(tmp_path, {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "4096"}).max_body_bytes == 4096


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "many"])
def test_invalid_limit_of_request_bodies(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match="FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"):
        read_settings(tmp_path, {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": value})
