"""Triggers and bindings of one host with one app, observed from outside."""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection, HTTPMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from local_cloud.function_host.launch import HostFailedError, HostProcess, running_host
from tests.integration.local_cloud.function_host.host_environment import Azurite, HostEnvironment
from tests.support.waiting import until


@pytest.fixture(scope="module")
def shared(
    azurite_for_host: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[HostEnvironment, HostProcess]]:
    environment = HostEnvironment(azurite_for_host, tmp_path_factory.mktemp("shared"))
    with running_host(environment.app, env=environment.env) as host:
        yield environment, host


@pytest.fixture
def environment(shared: tuple[HostEnvironment, HostProcess]) -> HostEnvironment:
    return shared[0]


@pytest.fixture
def host(shared: tuple[HostEnvironment, HostProcess]) -> HostProcess:
    return shared[1]


def request(
    host: HostProcess, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, HTTPMessage, bytes]:
    connection = HTTPConnection("127.0.0.1", host.port, timeout=20)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=names)
    answer = connection.getresponse()
    try:
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def calls(environment: HostEnvironment, function: str, **properties: object) -> list[dict[str, Any]]:
    return [line for line in environment.records(function) if properties.items() <= line.items()]


def test_blob_fires_once_per_version(environment: HostEnvironment) -> None:
    blob = f"{environment.prefix}-in/twice/x.txt"
    environment.upload("twice/x.txt", b"first")
    first = until(lambda: calls(environment, "on_blob", blob=blob))
    assert first[0]["body"] == "first"
    assert first[0]["length"] == 5
    assert first[0]["metadata"] == {"kind": "test"}
    assert first[0]["uri"].endswith(f"/{blob}")
    environment.upload("twice/x.txt", b"second")
    until(lambda: calls(environment, "on_blob", blob=blob, body="second"))
    assert [line["body"] for line in calls(environment, "on_blob", blob=blob)] == ["first", "second"]


def test_bindings_resolve_message_properties(environment: HostEnvironment) -> None:
    environment.upload("fan/out.txt", "ä".encode())
    until(lambda: environment.blob("out", "fan/out/1").exists() and environment.blob("out", "fan/out/0").exists())
    messages = [line for line in environment.records("on_made") if line["message"]["name"] == "fan/out"]
    assert sorted(line["message"]["part"] for line in messages) == [0, 1]
    assert all(line["source"] == str("ä".encode()) and line["missing"] is None for line in messages)


def test_failing_blob_is_poisoned_after_five_attempts(environment: HostEnvironment) -> None:
    blob = f"{environment.prefix}-in/bad.txt"
    environment.upload("bad.txt", b"bad")

    def poison() -> list[dict[str, Any]]:
        peeked = environment.queue("webjobs-blobtrigger-poison").peek_messages(32)
        matches = [json.loads(base64.b64decode(message.content)) for message in peeked]
        return [item for item in matches if item["ContainerName"] == f"{environment.prefix}-in"]

    (record,) = until(poison)
    assert record["FunctionId"] == "Host.Functions.on_blob"
    assert record["BlobName"] == "bad.txt"
    assert record["ETag"] == f'"{environment.blob("in", "bad.txt").get_blob_properties().etag.strip(chr(34))}"'
    assert len(calls(environment, "on_blob", blob=blob)) == 5


def test_failing_message_reaches_poison_function(environment: HostEnvironment, host: HostProcess) -> None:
    environment.send(name="zero", fail=True)
    body = json.dumps({"name": "zero", "fail": True})
    until(lambda: calls(environment, "on_poison", body=body))
    tries = [line["count"] for line in environment.records("on_work") if line["order"]["name"] == "zero"]
    assert tries == [1, 2, 3]
    assert "Exception: ZeroDivisionError: division by zero" in host.output()


def test_plain_text_message_is_poisoned(environment: HostEnvironment) -> None:
    environment.queue(f"{environment.prefix}-work", plain=True).send_message("plain, not base64!")
    poison = environment.queue(f"{environment.prefix}-work-poison", plain=True)

    # The poison function cannot read it either, so it stays hidden in the poison queue.
    until(lambda: poison.get_queue_properties().approximate_message_count)
    until(lambda: not environment.queue(f"{environment.prefix}-work").get_queue_properties().approximate_message_count)
    assert not [line for line in environment.records("on_poison") if "plain" in line["body"]]


def test_message_that_is_not_utf8_reaches_binary_binding_only(environment: HostEnvironment, host: HostProcess) -> None:
    work = environment.queue(f"{environment.prefix}-work", plain=True)
    message = work.send_message(base64.b64encode(b"\xff no text").decode())
    until(lambda: calls(environment, "on_poison", body="\\xff no text"), "the poison function gets the message")
    assert host.output().count(f"Message {message.id} on {environment.prefix}-work cannot be bound") == 3
    assert message.id not in {line["id"] for line in environment.records("on_work")}


def test_log_lines_name_function_and_invocation(environment: HostEnvironment, host: HostProcess) -> None:
    environment.send(name="talker")
    until(lambda: calls(environment, "on_work_end", order={"name": "talker"}))
    until(lambda: "logged by talker" in host.output())
    lines = host.output().splitlines()
    printed = next(line for line in lines if line.endswith("printed by talker"))
    logged = next(line for line in lines if line.endswith("logged by talker"))
    mark, invocation = printed.split("] ")[1].split(" ")
    assert mark == "[Functions.on_work"
    assert f"{mark} {invocation}] logged by talker" in logged
    until(lambda: f"Executed 'Functions.on_work' (Succeeded, Id={invocation}, Duration=" in host.output())
    assert (
        f"Executing 'Functions.on_work' (Reason='New queue message detected on '{environment.prefix}-work'.'"
        in host.output()
    )


def test_event_grid_blobs_come_from_webhook_only(environment: HostEnvironment, host: HostProcess) -> None:
    hook = "/runtime/webhooks/blobs?functionName=Host.Functions.on_event"
    status, _, body = request(
        host,
        hook,
        method="POST",
        body=b'[{"data": {"validationCode": "abc"}}]',
        aeg_event_type="SubscriptionValidation",
    )
    assert (status, json.loads(body)) == (200, {"validationResponse": "abc"})
    blob = environment.blob("told", "a b/ü.txt")
    blob.upload_blob(b"told")
    data = {"url": blob.url, "eTag": blob.get_blob_properties().etag, "blobType": "BlockBlob"}
    # When a scanned blob that was written later has run, a scan would have found this one.
    environment.upload("later.txt", b"x")
    until(lambda: calls(environment, "on_blob", blob=f"{environment.prefix}-in/later.txt"))
    assert not environment.records("on_event")
    stale = data | {"eTag": "0x0"}
    for event in (
        [{"data": stale}],
        [{"data": data}],
        {"specversion": "1.0", "data": data},
    ):  # lists of Event Grid, one CloudEvent
        status, _, _ = request(
            host, hook, method="POST", body=json.dumps(event).encode(), aeg_event_type="Notification"
        )
        assert status == 202
    until(lambda: len(environment.records("on_event")) == 2)
    assert {(line["blob"], line["body"]) for line in environment.records("on_event")} == {
        (f"{environment.prefix}-told/a b/ü.txt", "told")
    }
    until(lambda: "has another version than the message" in host.output(), "the stale event is dropped")
    assert len(environment.records("on_event")) == 2


@pytest.mark.parametrize(
    ("query", "kind", "body", "status"),
    [
        ("?functionName=Host.Functions.on_event", "Unsubscribe", b"", 202),
        ("?functionName=Host.Functions.on_event", "Other", b"[]", 400),
        ("?functionName=Host.Functions.on_event", "Notification", b"{}", 500),
        (
            "?functionName=Host.Functions.on_event",
            "Notification",
            b'[{"data": {"url": "http://h/", "eTag": "1", "blobType": "BlockBlob"}}]',
            500,
        ),
        (
            "?functionName=Host.Functions.on_event",
            "Notification",
            b'[{"data": {"url": "http://h/in/x", "eTag": "1"}}]',
            500,
        ),
        ("?functionName=Host.Functions.unknown", "Notification", b"[]", 202),
        ("", "Notification", b"[]", 400),
    ],
)
def test_webhook_status(host: HostProcess, query: str, kind: str, body: bytes, status: int) -> None:
    answer = request(host, f"/runtime/webhooks/blobs{query}", method="POST", body=body, aeg_event_type=kind)
    assert answer[0] == status


def test_http_request_and_response(host: HostProcess) -> None:
    status, headers, body = request(host, "/api/ITEMS/7/a%20b?x=1&empty=", method="PUT", body=b"hello")
    assert status == 202
    assert json.loads(body) == {"route": {"number": "7", "part": "a b"}, "query": {"x": "1"}, "body": "hello"}
    assert headers["content-type"] == "application/json"
    assert headers.get_all("Set-Cookie") == ["one=1; Path=/", "two=2"]


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/api/items/special", 200, b"special"),
        ("GET", "/api/items/word", 404, b""),
        ("DELETE", "/api/items/7", 404, b""),
        ("GET", "/api/files", 200, b"none"),
        ("GET", "/api/files/a/b%2Fc", 200, b"a/b%2Fc"),
        ("POST", "/api/broken", 500, b""),
        ("GET", "/elsewhere", 404, b""),
        ("GET", "/admin/host/ping", 200, b""),
    ],
)
def test_http_responses(host: HostProcess, method: str, path: str, status: int, body: bytes) -> None:
    answer = request(host, path, method=method)
    assert (answer[0], answer[2]) == (status, body)


def test_plain_functions_run_in_many_threads(host: HostProcess) -> None:
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: request(host, "/api/meet")[2], range(30)))
    assert answers == [b"met"] * 30


def test_host_status(host: HostProcess, environment: HostEnvironment) -> None:
    status, _, body = request(host, "/admin/host/status")
    assert (status, json.loads(body)["state"]) == (200, "Running")
    assert json.loads(body)["id"] == environment.env["AzureFunctionsWebHost__hostid"]


def test_admin_api_runs_timer(environment: HostEnvironment, host: HostProcess) -> None:
    before = len(environment.records("on_time"))
    path = "/admin/functions/on_time"
    assert request(host, path, method="POST", body=b"{}", Content_Type="application/json")[0] == 202
    (line,) = until(lambda: environment.records("on_time")[before:])
    assert line["past_due"] is False
    assert request(host, path, method="POST", body=b"{}")[0] == 415
    assert (
        request(host, "/admin/functions/unknown", method="POST", body=b"{}", Content_Type="application/json")[0] == 404
    )


def test_port_in_use(environment: HostEnvironment, host: HostProcess) -> None:
    with pytest.raises(HostFailedError) as failure, running_host(environment.app, env=environment.env, port=host.port):
        pass
    assert "exit code 2" in str(failure.value)
    assert f"Port {host.port} is in use" in str(failure.value)
    assert "Traceback" not in str(failure.value)


def test_event_grid_trigger(environment: HostEnvironment, host: HostProcess) -> None:
    hook = "/runtime/webhooks/eventgrid?functionName="
    check = request(
        host,
        f"{hook}on_grid_event",
        method="POST",
        body=b'[{"data": {"validationCode": "abc"}}]',
        aeg_event_type="SubscriptionValidation",
    )
    assert (check[0], json.loads(check[2])) == (200, {"validationResponse": "abc"})
    event = {"id": "e1", "data": {"x": 1}, "subject": "s", "eventType": "t", "topic": "u", "dataVersion": "1"}
    body = json.dumps([event | {"eventTime": "2026-01-01T00:00:00Z"}]).encode()
    notify = partial(request, host, method="POST", aeg_event_type="Notification")
    assert notify(f"{hook}on_grid_event", body=body)[0] == 202
    assert [line["data"] for line in environment.records("on_grid_event")] == [{"x": 1}]
    assert notify(f"{hook}nobody", body=body)[0] == 404
    assert notify(f"{hook}on_grid_event", body=b"[" * 10_000)[0] == 500


def test_event_grid_output_is_posted_to_topic(environment: HostEnvironment) -> None:
    received: list[tuple[str | None, Any]] = []

    class Topic(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.headers["aeg-sas-key"], json.loads(body)))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Topic) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = {**environment.env, "TOPIC": f"http://127.0.0.1:{server.server_port}/api/events"}
        with running_host(environment.app, env=env) as host:
            assert request(host, "/api/publish/hello")[2] == b"published", host.output()[-3000:]
        server.shutdown()
    ((key, (event,)),) = received
    assert (key, event["data"], event["subject"]) == ("topic-key", {"text": "hello"}, "a subject")


def test_failed_event_output_fails_the_call(environment: HostEnvironment, host: HostProcess) -> None:
    assert request(host, "/api/publish/nobody-listens")[0] == 500


def test_table_input(environment: HostEnvironment, host: HostProcess) -> None:
    assert json.loads(request(host, "/api/entities/a")[2]) == []
    environment.insert_entity("a", "1")
    environment.insert_entity("b", "2")
    assert json.loads(request(host, "/api/entities/a")[2]) == ["1"]


def test_warmup_function_runs_on_request(environment: HostEnvironment, host: HostProcess) -> None:
    assert request(host, "/admin/warmup")[0] == 200
    assert len(environment.records("on_warmup")) == 1
