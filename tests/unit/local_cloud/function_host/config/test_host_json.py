"""host.json: defaults, key case and rejected values."""

import json
from pathlib import Path
from typing import Any

import pytest

from local_cloud.function_host.config.host_json import HostJsonError, read_host_json


def host_json(folder: Path, content: object, settings: dict[str, str] | None = None) -> Any:
    (folder / "host.json").write_text(json.dumps(content))
    return read_host_json(folder / "host.json", settings or {})


def test_defaults_are_azures(tmp_path: Path) -> None:
    settings = read_host_json(tmp_path / "host.json", {})
    queues = settings.extensions.queues
    assert settings.function_timeout.total_seconds() == 1800
    assert (queues.batch_size, queues.max_dequeue_count, queues.message_encoding) == (16, 5, "base64")
    assert queues.threshold % 8 == 0
    assert (settings.extensions.blobs.poison_blob_threshold, settings.extensions.http.route_prefix) == (5, "api")


def test_keys_are_case_insensitive(tmp_path: Path) -> None:
    queues = {"BatchSize": 2, "newbatchthreshold": 0, "visibilityTimeout": "1.00:00:30", "messageEncoding": "None"}
    content = {
        "version": "2.0",
        "functionTimeout": "-1",
        "extensionBundle": {"id": "x"},
        "extensions": {"Queues": queues, "http": {"routePrefix": "v1"}, "durableTask": {}},
    }
    settings = host_json(tmp_path, content)
    assert settings.function_timeout is None
    assert settings.extensions.queues.threshold == 0
    assert settings.extensions.queues.visibility_timeout.total_seconds() == 86430
    assert settings.extensions.queues.message_encoding == "none"
    assert settings.extensions.http.route_prefix == "v1"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"version": "3.0"}, "version"),
        ({"extensions": {"queues": {"batchSize": 33}}}, "extensions.queues.batchSize"),
        ({"extensions": {"queues": {"bachSize": 3}}}, "extensions.queues.bachSize"),
        ({"extensions": {"blobs": {"maxDequeueCount": 3}}}, "extensions.blobs.maxDequeueCount"),
        ({"extensions": {"http": {"routePrefix": "/v1/"}}}, "extensions.http.routePrefix"),
        ({"functionTimeout": "ten minutes"}, "functionTimeout"),
        ([], "the file"),
    ],
)
def test_invalid_value_names_key(tmp_path: Path, content: object, named: str) -> None:
    with pytest.raises(HostJsonError, match=named):
        host_json(tmp_path, content)


def test_settings_override_host_json(tmp_path: Path) -> None:
    overrides = {
        "AzureFunctionsJobHost__extensions__queues__batchSize": "3",
        "AZUREFUNCTIONSJOBHOST__FUNCTIONTIMEOUT": "00:01:00",
        "AzureFunctionsJobHost": "ignored",
    }
    settings = host_json(tmp_path, {"extensions": {"Queues": {"BatchSize": 2, "maxDequeueCount": 4}}}, overrides)
    queues = settings.extensions.queues
    assert (queues.batch_size, queues.max_dequeue_count, settings.function_timeout.seconds) == (3, 4, 60)
    with pytest.raises(HostJsonError, match="bachSize"):
        host_json(tmp_path, {}, {"AzureFunctionsJobHost__extensions__queues__bachSize": "3"})
