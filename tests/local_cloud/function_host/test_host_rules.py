"""The pure parts: settings, host.json, expressions, routes, keys, message texts, mischief."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.function_host.config.expressions import ExpressionError, PathPattern, expand, resolve_settings
from local_cloud.function_host.config.host_json import HostJsonError, read_host_json
from local_cloud.function_host.config.settings import SettingsError, read_settings
from local_cloud.function_host.invocation.bindings import message_bodies
from local_cloud.function_host.invocation.functions import Binding, Function, RetryPolicy
from local_cloud.function_host.invocation.worker import InvocationResult, bytes_datum, json_datum, text_datum
from local_cloud.function_host.storage.messages import Message, UndecodableMessageError, decode, encode
from local_cloud.function_host.triggers.blob.event_grid import blob_version
from local_cloud.function_host.triggers.http.keys import Keys
from local_cloud.function_host.triggers.http.routes import Route, RouteError, find_route
from local_cloud.function_host.triggers.http.server import to_response
from local_cloud.function_host.triggers.queue.duplicate_delivery import MAX_COPIES, DuplicateDelivery
from local_cloud.function_host.triggers.queue.trigger import queue_event


def test_the_environment_wins_over_local_settings(tmp_path: Path) -> None:
    content = {"IsEncrypted": False, "Values": {"ONE": "file", "TWO": "file"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(content))
    values = read_settings(tmp_path, {"TWO": "environment"}).values
    assert (values["ONE"], values["TWO"]) == ("file", "environment")


@pytest.mark.parametrize(
    ("environ", "name", "found"),
    [
        ({"AzureWebJobsStorage": "host"}, None, "host"),
        ({"AzureWebJobsStorage": "host"}, "AzureWebJobsStorage", "host"),
        ({"AzureWebJobsStorage": "host"}, "Storage", "host"),
        ({"AzureWebJobsX": "first", "X": "second"}, "X", "first"),
        ({"X": "second"}, "X", "second"),
    ],
)
def test_connection_lookup(tmp_path: Path, environ: dict[str, str], name: str | None, found: str) -> None:
    assert read_settings(tmp_path, environ).connection_string(name) == found


def test_development_storage_is_spelt_out(tmp_path: Path) -> None:
    text = read_settings(tmp_path, {"X": "UseDevelopmentStorage=true"}).connection_string("X")
    assert "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;" in text


@pytest.mark.parametrize(
    ("environ", "words"),
    [({}, "connection X is not set"), ({"X__accountName": "a"}, "X__accountName.*connection strings only")],
)
def test_missing_connections_say_what_to_set(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_settings(tmp_path, environ).connection_string("X")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AzureFunctionsWebHost__hostid": "Not-Lower"}, "must be 1-32 lower-case"),
        ({"AzureFunctionsWebHost__hostid": "a--b"}, "single dashes"),
        ({"LOCAL_HOST_MESSAGE_INVISIBILITY": "1"}, "whole seconds from 2"),
    ],
)
def test_settings_of_the_host_are_checked(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_settings(tmp_path, environ)


def test_the_host_id_belongs_to_the_folder(tmp_path: Path) -> None:
    one, again = read_settings(tmp_path, {}).host_id, read_settings(tmp_path, {}).host_id
    other = read_settings(tmp_path / "other", {}).host_id
    assert one == again != other
    assert len(one) <= 32


def host_json(folder: Path, content: object) -> Any:
    (folder / "host.json").write_text(json.dumps(content))
    return read_host_json(folder / "host.json")


def test_host_json_has_azures_defaults(tmp_path: Path) -> None:
    settings = read_host_json(tmp_path / "host.json")
    queues = settings.extensions.queues
    assert settings.function_timeout.total_seconds() == 1800
    assert (queues.batch_size, queues.max_dequeue_count, queues.message_encoding) == (16, 5, "base64")
    assert queues.threshold % 8 == 0
    assert (settings.extensions.blobs.poison_blob_threshold, settings.extensions.http.route_prefix) == (5, "api")


def test_host_json_is_read_without_regard_to_case(tmp_path: Path) -> None:
    queues = {"BatchSize": 2, "newbatchthreshold": 0, "visibilityTimeout": "1.00:00:30", "messageEncoding": "None"}
    content = {
        "version": "2.0",
        "functionTimeout": "-1",
        "extensionBundle": {"id": "x"},
        "extensions": {"Queues": queues, "http": {"routePrefix": "/v1/"}, "durableTask": {}},
    }
    settings = host_json(tmp_path, content)
    assert settings.function_timeout is None
    assert settings.extensions.queues.threshold == 0
    assert settings.extensions.queues.visibility_timeout.total_seconds() == 86430
    assert settings.extensions.queues.message_encoding == "none"
    assert settings.extensions.http.route_prefix == "v1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"version": "3.0"}, "version"),
        ({"extensions": {"queues": {"batchSize": 33}}}, "extensions.queues.batchSize"),
        ({"extensions": {"queues": {"bachSize": 3}}}, "extensions.queues.bachSize: Extra inputs"),
        ({"extensions": {"blobs": {"maxDequeueCount": 3}}}, "extensions.blobs.maxDequeueCount"),
        ({"functionTimeout": "ten minutes"}, "functionTimeout.*must be a time span"),
        ([], "the file"),
    ],
)
def test_host_json_that_the_host_would_not_take(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(HostJsonError, match=words):
        host_json(tmp_path, content)


@pytest.mark.parametrize(
    ("path", "name", "captures"),
    [
        ("in/{name}.txt", "a.txt", {"name": "a"}),
        ("in/{name}.txt", "a/b.txt", {"name": "a/b"}),  # a capture takes slashes too
        ("in/{name}.txt", "a.TXT", None),
        ("in/{name}.txt", "a.txt.gz", None),
        ("in/{folder}/{name}", "a/b/c", {"folder": "a/b", "name": "c"}),  # the first takes all it can
        ("in/{{x}}-{y}", "{x}-1", {"y": "1"}),
        ("in/a+b", "a+b", {}),
        ("in", "anything/at.all", {}),
        ("in/{name}", "line\nbreak", {"name": "line\nbreak"}),
    ],
)
def test_path_patterns(path: str, name: str, captures: dict[str, str] | None) -> None:
    pattern = PathPattern.parse(path)
    assert pattern.container == "in"
    assert pattern.captures(name) == captures


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1), st.text())
def test_what_expands_is_captured_again(folder: str, name: str) -> None:
    template = "{folder}/x/{name}"
    captures = PathPattern.parse("in/" + template).captures(expand(template, {"Folder": folder, "NAME": name}))
    assert captures is not None
    assert f"{captures['folder']}/x/{captures['name']}" == f"{folder}/x/{name}"


@pytest.mark.parametrize("path", ["{container}/x", "", "/"])
def test_a_path_needs_a_plain_container(path: str) -> None:
    with pytest.raises(ExpressionError, match="plain name"):
        PathPattern.parse(path)


def test_expressions_that_cannot_be_resolved() -> None:
    with pytest.raises(ExpressionError, match="needs the setting X"):
        resolve_settings("a-%X%", {})
    with pytest.raises(ExpressionError, match=r"no value for \{y\}.*offers list, x"):
        expand("{x}/{y}", {"x": 1, "list": []})
    assert expand("{rand-guid}", {}) != expand("{rand-guid}", {})


def function(name: str, **arguments: object) -> Function:
    trigger = Binding("req", "httptrigger", is_output=False, arguments=arguments)
    return Function(name, name, trigger, inputs=(), outputs=(), retry=None)


def test_the_most_particular_route_wins() -> None:
    templates = ["{*rest}", "a/{x}", "a/{x:int}", "a/b", "a/{x}/c", "a/{x}/{y?}"]
    routes = [Route.of(function(template, route=template), "api") for template in templates]
    expected = {
        "/api": "{*rest}",
        "/api/a/b": "a/b",
        "/api/A/B/": "a/b",
        "/api/a/-7": "a/{x:int}",
        "/api/a/z": "a/{x}",
        "/api/a/z/c": "a/{x}/c",
        "/api/a/z/d": "a/{x}/{y?}",
        "/api/a/z/d/e": "{*rest}",
    }
    for path, template in expected.items():
        found = find_route(routes, "GET", path)
        assert found is not None
        assert found[0].function.name == template, path
    assert find_route(routes, "GET", "/other") is None


def test_methods_and_prefix() -> None:
    route = Route.of(function("Run", methods=["GET"]), "")
    assert route.match("get", "/run") == {}
    assert route.match("POST", "/run") is None


@pytest.mark.parametrize("template", ["{x:long}", "a{x}", "{x", "{x-y}"])
def test_routes_that_are_not_understood(template: str) -> None:
    with pytest.raises(RouteError):
        Route.of(function("f", route=template), "api")


@pytest.mark.parametrize(("output", "status"), [("$return", 204), ("named", 200)])
def test_no_response_at_all(output: str, status: int) -> None:
    http = Binding(output, "http", is_output=True, arguments={})
    assert to_response(replace(function("f"), outputs=(http,)), InvocationResult(ok=True)).status == status


def test_keys_that_are_missing_are_made_and_differ() -> None:
    keys, made = Keys.from_settings({"LOCAL_HOST_MASTER_KEY": "m"})
    assert sorted(made) == ["LOCAL_HOST_FUNCTION_KEY", "LOCAL_HOST_SYSTEM_KEY"]
    assert len({*made.values(), "m"}) == 3
    assert keys.open("admin", "m")
    assert not keys.open("admin", keys.function)
    assert not keys.open("function", "")


@given(st.binary())
def test_base64_messages_come_back(body: bytes) -> None:
    assert decode(encode(body, "base64"), "base64") == body


def test_messages_that_do_not_fit_their_encoding() -> None:
    assert decode(encode("ä".encode(), "none"), "none") == "ä".encode()
    with pytest.raises(UndecodableMessageError, match="messageEncoding base64"):
        encode(b"\xff", "none")
    with pytest.raises(UndecodableMessageError, match="not base64"):
        decode("{}", "base64")


@pytest.mark.parametrize(
    ("datum", "bodies"),
    [
        (text_datum("plain"), [b"plain"]),
        (text_datum('{"a": 1}'), [b'{"a": 1}']),
        (text_datum('["a", {"b": 1}]'), [b"a", b'{"b": 1}']),
        (text_datum("7"), [b"7"]),
        (bytes_datum(b'["a"]'), [b'["a"]']),
        (json_datum({"id": None, "body": "text"}), [b"text"]),
        (json_datum([{"id": "1", "body": "x"}, "y"]), [b"x", b"y"]),
    ],
)
def test_queue_outputs_become_messages(datum: Any, bodies: list[bytes]) -> None:
    assert message_bodies(datum) == bodies


@pytest.mark.parametrize(
    ("url", "container", "name"),
    [
        ("https://acct.blob.core.windows.net/in/a/b%20c.txt", "in", "a/b c.txt"),
        ("http://127.0.0.1:10000/devstoreaccount1/in/x", "in", "x"),
        ("http://localhost:10000/acct/in/x", "in", "x"),
    ],
)
def test_urls_of_events(url: str, container: str, name: str) -> None:
    version = blob_version({"data": {"url": url, "eTag": '"0x1"'}})
    assert (version.container, version.name, version.etag) == (container, name, "0x1")


@given(st.lists(st.integers(), max_size=8, unique=True), st.integers())
def test_mischief_delivers_each_message_one_to_five_times(batch: list[int], seed: int) -> None:
    chains = DuplicateDelivery(seed, "queue").plan(batch)
    assert chains == DuplicateDelivery(seed, "queue").plan(batch)
    for message in batch:
        assert 1 <= sum(length for item, length in chains if item == message) <= MAX_COPIES
    assert all(length >= 1 for _, length in chains)


def test_the_properties_of_a_message_come_before_all_else() -> None:
    now = datetime.now(UTC)
    message = Message("i", "t", b'{"id": "mine", "list": [1]}', 1, "receipt", now, now, now)
    data = queue_event(message, "queue").data
    assert expand("{ID}-{dequeueCount}", data) == "mine-1"


def test_a_retry_policy_counts_and_waits() -> None:
    second = timedelta(seconds=1)
    growing = RetryPolicy(max_retries=3, fixed=None, minimum=second, maximum=timedelta(seconds=3))
    assert [growing.delay(retry) for retry in (1, 2, 3)] == [second, 2 * second, 3 * second]
    assert [growing.allows(retry) for retry in (1, 3, 4)] == [True, True, False]
    assert RetryPolicy(max_retries=-1, fixed=second, minimum=second, maximum=second).allows(10**6)
