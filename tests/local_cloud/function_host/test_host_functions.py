"""One host with one app: what each kind of trigger and binding does, seen from outside."""

import base64
import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPMessage
from typing import Any

import pytest

from local_cloud.function_host.launch import HostFailedError, HostProcess, running_host
from tests.local_cloud.function_host.host_scene import Azurite, Scene, until


@pytest.fixture(scope="module")
def shared(azurite_for_host: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, HostProcess]]:
    scene = Scene(azurite_for_host, tmp_path_factory.mktemp("shared"))
    with running_host(scene.app, env=scene.env) as host:
        yield scene, host


@pytest.fixture
def stage(shared: tuple[Scene, HostProcess]) -> Scene:
    return shared[0]


@pytest.fixture
def host(shared: tuple[Scene, HostProcess]) -> HostProcess:
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


def seen(stage: Scene, function: str, **facts: object) -> list[dict[str, Any]]:
    return [line for line in stage.records(function) if facts.items() <= line.items()]


def test_a_blob_fires_once_and_an_overwrite_once_more(stage: Scene) -> None:
    blob = f"{stage.prefix}-in/twice/x.txt"
    stage.upload("twice/x.txt", b"first")
    first = until(lambda: seen(stage, "on_blob", blob=blob))
    assert first[0]["body"] == "first"
    assert first[0]["length"] == 5
    assert first[0]["metadata"] == {"kind": "test"}
    assert first[0]["uri"].endswith(f"/{blob}")
    stage.upload("twice/x.txt", b"second")
    until(lambda: seen(stage, "on_blob", blob=blob, body="second"))
    assert [line["body"] for line in seen(stage, "on_blob", blob=blob)] == ["first", "second"]


def test_outputs_and_inputs_follow_the_message(stage: Scene) -> None:
    stage.upload("fan/out.txt", "ä".encode())
    until(lambda: stage.blob("out", "fan/out/1").exists() and stage.blob("out", "fan/out/0").exists())
    made = [line for line in stage.records("on_made") if line["message"]["name"] == "fan/out"]
    assert sorted(line["message"]["part"] for line in made) == [0, 1]
    assert all(line["source"] == str("ä".encode()) and line["missing"] is None for line in made)


def test_a_blob_that_always_fails_is_poison_after_five_tries(stage: Scene) -> None:
    blob = f"{stage.prefix}-in/bad.txt"
    stage.upload("bad.txt", b"bad")

    def poison() -> list[dict[str, Any]]:
        peeked = stage.queue("webjobs-blobtrigger-poison").peek_messages(32)
        found = [json.loads(base64.b64decode(message.content)) for message in peeked]
        return [one for one in found if one["ContainerName"] == f"{stage.prefix}-in"]

    (record,) = until(poison)
    assert record["FunctionId"] == "Host.Functions.on_blob"
    assert record["BlobName"] == "bad.txt"
    assert record["ETag"] == f'"{stage.blob("in", "bad.txt").get_blob_properties().etag.strip(chr(34))}"'
    assert len(seen(stage, "on_blob", blob=blob)) == 5


def test_a_message_that_always_fails_reaches_the_poison_function(stage: Scene, host: HostProcess) -> None:
    stage.send(name="zero", fail=True)
    body = json.dumps({"name": "zero", "fail": True})
    until(lambda: seen(stage, "on_poison", body=body))
    tries = [line["count"] for line in stage.records("on_work") if line["order"]["name"] == "zero"]
    assert tries == [1, 2, 3]
    assert "Exception: ZeroDivisionError: division by zero" in host.output()


def test_plain_text_is_poisoned_unread(stage: Scene) -> None:
    stage.queue(f"{stage.prefix}-work", plain=True).send_message("plain, not base64!")
    poison = stage.queue(f"{stage.prefix}-work-poison", plain=True)

    # The poison function cannot read it either: its message stays on the poison queue, out of sight.
    until(lambda: poison.get_queue_properties().approximate_message_count)
    until(lambda: not stage.queue(f"{stage.prefix}-work").get_queue_properties().approximate_message_count)
    assert not [line for line in stage.records("on_poison") if "plain" in line["body"]]


def test_lines_of_a_function_carry_its_name_and_invocation(stage: Scene, host: HostProcess) -> None:
    stage.send(name="talker")
    until(lambda: seen(stage, "on_work_end", order={"name": "talker"}))
    until(lambda: "logged by talker" in host.output())
    lines = host.output().splitlines()
    printed = next(line for line in lines if line.endswith("printed by talker"))
    logged = next(line for line in lines if line.endswith("logged by talker"))
    mark, invocation = printed.split("] ")[1].split(" ")
    assert mark == "[Functions.on_work"
    assert f"{mark} {invocation}] INFO: logged by talker" in logged
    until(lambda: f"Executed 'Functions.on_work' (Succeeded, Id={invocation}, Duration=" in host.output())
    assert (
        f"Executing 'Functions.on_work' (Reason='New queue message detected on '{stage.prefix}-work'.'" in host.output()
    )


def test_event_grid_blobs_come_by_the_webhook_alone(stage: Scene, host: HostProcess) -> None:
    hook = "/runtime/webhooks/blobs?functionName=Host.Functions.on_event"
    status, _, body = request(
        host,
        hook,
        method="POST",
        body=b'[{"data": {"validationCode": "abc"}}]',
        aeg_event_type="SubscriptionValidation",
    )
    assert (status, json.loads(body)) == (200, {"validationResponse": "abc"})
    blob = stage.blob("told", "a b/ü.txt")
    blob.upload_blob(b"told")
    data = {"url": blob.url, "eTag": "0x0", "blobType": "BlockBlob"}
    # By the time a scanned blob that was written later has run, a scan would have found this one.
    stage.upload("later.txt", b"x")
    until(lambda: seen(stage, "on_blob", blob=f"{stage.prefix}-in/later.txt"))
    assert not stage.records("on_event")
    for event in ([{"data": data}], {"specversion": "1.0", "data": data}):  # Event Grid's list, one CloudEvent
        status, _, _ = request(
            host, hook, method="POST", body=json.dumps(event).encode(), aeg_event_type="Notification"
        )
        assert status == 202
    until(lambda: len(stage.records("on_event")) == 2)
    assert {(line["blob"], line["body"]) for line in stage.records("on_event")} == {
        (f"{stage.prefix}-told/a b/ü.txt", "told")
    }


@pytest.mark.parametrize(
    ("query", "kind", "body", "status"),
    [
        ("?functionName=Host.Functions.on_event", "Unsubscribe", b"", 202),
        ("?functionName=Host.Functions.on_event", "Other", b"[]", 400),
        ("?functionName=Host.Functions.on_event", "Notification", b"{}", 400),
        (
            "?functionName=Host.Functions.on_event",
            "Notification",
            b'[{"data": {"url": "http://h/", "eTag": "1"}}]',
            400,
        ),
        ("?functionName=Host.Functions.unknown", "Notification", b"[]", 404),
        ("", "Notification", b"[]", 400),
    ],
)
def test_webhook_refusals(host: HostProcess, query: str, kind: str, body: bytes, status: int) -> None:
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
        ("GET", "/api/files/a/b%2Fc", 200, b"a/b/c"),
        ("POST", "/api/broken", 500, b""),
        ("GET", "/elsewhere", 404, b""),
        ("GET", "/admin/host/ping", 200, b""),
        ("POST", "/admin/functions/unknown", 404, b"only timers can be run by hand here"),
    ],
)
def test_http_answers(host: HostProcess, method: str, path: str, status: int, body: bytes) -> None:
    answer = request(host, path, method=method)
    assert (answer[0], answer[2]) == (status, body)


def test_status_says_running(host: HostProcess, stage: Scene) -> None:
    status, _, body = request(host, "/admin/host/status")
    assert (status, json.loads(body)["state"]) == (200, "Running")
    assert json.loads(body)["id"] == stage.env["AzureFunctionsWebHost__hostid"]


def test_a_timer_can_be_run_by_hand(stage: Scene, host: HostProcess) -> None:
    before = len(stage.records("on_time"))
    assert request(host, "/admin/functions/on_time", method="POST", body=b"{}")[0] == 202
    (line,) = stage.records("on_time")[before:]
    assert line["past_due"] is False


def test_the_port_is_taken(stage: Scene, host: HostProcess) -> None:
    with pytest.raises(HostFailedError) as failure, running_host(stage.app, env=stage.env, port=host.port):
        pass
    assert "exit code 2" in str(failure.value)
    assert f"Port {host.port} is in use" in str(failure.value)
    assert "Traceback" not in str(failure.value)
