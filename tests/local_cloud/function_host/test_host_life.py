"""Hosts that start, stop, crash, compete and misbehave: what must hold over more than one life."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import groupby

import pytest
from azure.storage.blob import BlobServiceClient

from local_cloud.function_host.launch import HostFailedError, running_host
from tests.local_cloud.function_host.host_scene import APPS, Scene, connection_string, until


def test_a_restart_fires_new_blobs_only_and_makes_up_for_a_missed_time(scene: Scene) -> None:
    scene.upload("old.txt", b"old")
    with running_host(scene.app, env=scene.env):
        until(lambda: scene.records("on_blob"))
        status = until(lambda: timer_status(scene))
        assert status["Last"].startswith("0001-01-01")
    assert not scene.records("on_time")

    # As if the host had stood still since before the last first of January.
    long_ago = datetime(2020, 5, 1, tzinfo=UTC)
    missed = {"Last": long_ago, "LastUpdated": long_ago, "Next": datetime(2021, 1, 1, tzinfo=UTC)}
    write_timer_status(scene, {key: value.isoformat() for key, value in missed.items()})
    scene.upload("young.txt", b"new")  # listed after the old one, which would run first if it fired again
    with running_host(scene.app, env={**scene.env, "TIMER_FAILS_ONCE": "1"}):
        until(lambda: len(scene.records("on_blob")) == 2 and len(scene.records("on_time")) == 2)
        until(lambda: timer_status(scene)["Last"] > missed["Next"].isoformat())
    assert [line["body"] for line in scene.records("on_blob")] == ["old", "new"]
    assert [(line["past_due"], line["retry"]) for line in scene.records("on_time")] == [(True, 0), (True, 1)]
    assert scene.records("on_time")[0]["status"]["Next"].startswith("2021-01-01")
    assert timer_status(scene)["Next"][:10] == f"{datetime.now(UTC).year + 1}-01-01"


def test_a_timer_of_another_schedule_starts_anew(scene: Scene) -> None:
    past = datetime.now(UTC) - timedelta(days=900)
    record = {"Last": past, "LastUpdated": past, "Next": past + timedelta(minutes=7)}
    write_timer_status(scene, {key: value.isoformat() for key, value in record.items()})
    with running_host(scene.app, env=scene.env):
        until(lambda: timer_status(scene)["Last"].startswith("0001-01-01"))
    assert not scene.records("on_time")


def test_two_hosts_do_nothing_twice(scene: Scene) -> None:
    env = {**scene.env, "SCHEDULE": "*/2 * * * * *"}
    names = [f"n{number:02d}" for number in range(20)]
    with running_host(scene.app, env=env) as one, running_host(scene.app, env=env) as two:
        for name in names:
            scene.upload(f"{name}.txt", b"x")
            scene.send(name=name)
        until(lambda: len(scene.records("on_made")) >= 40 and len(scene.records("on_work_end")) >= 20)
        until(lambda: len(scene.records("on_time")) >= 3)
        fired_by = {line["pid"] for line in scene.records("on_time")}
        # The host that holds the lock of the timer stops; the other takes over.
        (one if {one.pid} == fired_by else two).stop()
        until(lambda: {line["pid"] for line in scene.records("on_time")} > fired_by)
    assert Counter(line["blob"] for line in scene.records("on_blob")) == {
        f"{scene.prefix}-in/{n}.txt": 1 for n in names
    }
    assert Counter(line["order"]["name"] for line in scene.records("on_work")) == dict.fromkeys(names, 1)
    assert len(scene.records("on_made")) == 40
    owners = [owner for owner, _ in groupby(line["pid"] for line in scene.records("on_time"))]
    assert len(owners) == 2, "both hosts fired the timer at a time"


def test_mischief_delivers_more_than_once_and_out_of_order(scene: Scene) -> None:
    names = [f"m{number}" for number in range(8)]
    for name in names:
        scene.send(name=name)
        scene.upload(f"{name}.txt", b"x")
    with running_host(scene.app, env=scene.env, duplicate_seed=3) as host:
        until(lambda: {line["order"]["name"] for line in scene.records("on_work_end")} == set(names))
        until(lambda: len({line["blob"] for line in scene.records("on_blob")}) == len(names))
        until(lambda: queue_is_empty(scene, f"{scene.prefix}-work"))
        assert "Duplicate delivery (seed 3)" in host.output()
    work = [line["order"]["name"] for line in scene.records("on_work")]
    copies = Counter(work)
    assert set(copies.values()) <= {1, 2, 3, 4, 5}
    assert max(copies.values()) > 1
    assert list(dict.fromkeys(work)) != names
    assert max(Counter(line["blob"] for line in scene.records("on_blob")).values()) > 1


def test_a_stop_waits_for_what_runs_and_leaves_the_rest(scene: Scene) -> None:
    scene.send(name="long", sleep=1.5)
    with running_host(scene.app, env=scene.env) as host:
        until(lambda: scene.records("on_work"))
        assert host.stop() == 0
        assert len(scene.records("on_work_end")) == 1
        assert queue_is_empty(scene, f"{scene.prefix}-work")
        scene.send(name="after")
        assert "Traceback" not in host.output()
    assert [line["order"]["name"] for line in scene.records("on_work")] == ["long"]
    assert not queue_is_empty(scene, f"{scene.prefix}-work")


def test_a_crash_gives_the_message_to_the_next_host(scene: Scene) -> None:
    env = {**scene.env, "LOCAL_HOST_MESSAGE_INVISIBILITY": "4"}
    scene.send(name="twice", sleep=2)
    with running_host(scene.app, env=env) as host:
        until(lambda: scene.records("on_work"))
        assert host.kill() != 0
    with running_host(scene.app, env=env):
        until(lambda: scene.records("on_work_end"))
    assert [line["count"] for line in scene.records("on_work")] == [1, 2]


def test_a_function_that_outlives_its_timeout_ends_the_host(scene: Scene) -> None:
    text = json.loads((scene.app / "host.json").read_text())
    (scene.app / "host.json").write_text(json.dumps({**text, "functionTimeout": "00:00:01"}))
    scene.send(name="endless", sleep=30)
    with running_host(scene.app, env=scene.env) as host:
        assert host.wait(20) == 4
        assert "Functions.on_work" in host.output()
        assert "Raise functionTimeout" in host.output()
    assert not queue_is_empty(scene, f"{scene.prefix}-work")


def test_keys_are_asked_for_with_enable_auth(scene: Scene) -> None:
    env = {**scene.env, "LOCAL_HOST_FUNCTION_KEY": "fn-key", "LOCAL_HOST_MASTER_KEY": "master-key"}
    with running_host(scene.app, env=env, enable_auth=True) as host:
        system_key = next(line for line in host.output().splitlines() if "LOCAL_HOST_SYSTEM_KEY" in line).split()[-1]
        assert "LOCAL_HOST_MASTER_KEY" not in host.output()

        def status(path: str, key: str | None = None, *, method: str = "GET", query: str = "") -> int:
            connection = HTTPConnection("127.0.0.1", host.port, timeout=20)
            connection.request(method, path + query, headers={} if key is None else {"x-functions-key": key})
            code = connection.getresponse().status
            connection.close()
            return code

        hook = "/runtime/webhooks/blobs"
        answers = {
            "no key": status("/api/items/1"),
            "wrong key": status("/api/items/1", "fn-kez"),
            "function key": status("/api/items/1", "fn-key"),
            "function key in the query": status("/api/items/1", query="?code=fn-key"),
            "header before query": status("/api/items/1", "bad", query="?code=fn-key"),
            "system key for a function": status("/api/items/1", system_key),
            "anonymous": status("/api/items/special"),
            "admin by function key": status("/api/files/x", "fn-key"),
            "admin by master key": status("/api/files/x", "master-key"),
            "webhook without": status(hook, method="POST"),
            "webhook by system key": status(hook, method="POST", query=f"?code={system_key}"),
            "status without": status("/admin/host/status"),
            "status by master key": status("/admin/host/status", "master-key"),
        }
    assert answers == {
        "no key": 401,
        "wrong key": 401,
        "function key": 202,
        "function key in the query": 202,
        "header before query": 401,
        "system key for a function": 401,
        "anonymous": 200,
        "admin by function key": 401,
        "admin by master key": 200,
        "webhook without": 401,
        "webhook by system key": 400,  # let in, and then: functionName is missing
        "status without": 401,
        "status by master key": 200,
    }


@pytest.mark.parametrize(
    ("app", "changes", "words"),
    [
        ("broken", {}, "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("sample", {"SCHEDULE": "every day"}, "'every day' has 2 fields"),
        ("sample", {"Data": "", "Data__blobServiceUri": "https://x"}, "the local host takes connection strings only"),
        ("sample", {"PREFIX": None}, "needs the setting PREFIX, which is not set"),
    ],
)
def test_an_app_that_cannot_be_loaded(scene: Scene, app: str, changes: dict[str, str | None], words: str) -> None:
    env = {key: value for key, value in {**scene.env, **changes}.items() if value is not None}
    with pytest.raises(HostFailedError) as failure, running_host(APPS / app, env=env):
        pass
    assert "exit code 3" in str(failure.value)
    assert "The app cannot be loaded" in str(failure.value)
    assert words in str(failure.value)


def test_a_host_without_storage_answers_tries_again_and_stops(scene: Scene) -> None:
    nowhere = connection_string("http://127.0.0.1:1", "http://127.0.0.1:1")
    with running_host(scene.app, env={**scene.env, "AzureWebJobsStorage": nowhere, "Data": nowhere}) as host:
        for complaint in ("Lock BlobScan", "Lock Host.Functions.on_time.Listener", f"Queue {scene.prefix}-work cannot"):
            until(lambda complaint=complaint: complaint in host.output())
        assert host.exit_code is None
        assert host.stop() == 0
        assert "Traceback" not in host.output()


def timer_status(scene: Scene) -> dict[str, str] | None:
    blob = status_blob(scene)
    return json.loads(blob.download_blob().readall()) if blob.exists() else None


def write_timer_status(scene: Scene, record: dict[str, str]) -> None:
    blob = status_blob(scene)
    container = BlobServiceClient.from_connection_string(scene.azurite.connection_string)
    hosts = container.get_container_client("azure-webjobs-hosts")
    if not hosts.exists():
        hosts.create_container()
    blob.upload_blob(json.dumps(record), overwrite=True)


def status_blob(scene: Scene):
    service = BlobServiceClient.from_connection_string(scene.azurite.connection_string)
    host_id = scene.env["AzureFunctionsWebHost__hostid"]
    return service.get_blob_client("azure-webjobs-hosts", f"timers/{host_id}/Host.Functions.on_time/status")


def queue_is_empty(scene: Scene, name: str) -> bool:
    return scene.queue(name).get_queue_properties().approximate_message_count == 0
