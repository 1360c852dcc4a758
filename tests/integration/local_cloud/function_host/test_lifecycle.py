"""The host's life cycle: start, stop, crash, several hosts, duplicate delivery and authorization."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from itertools import groupby

import pytest
from azure.storage.blob import BlobServiceClient

from local_cloud.function_host.launch import HostFailedError, running_host
from tests.integration.local_cloud.function_host.host_environment import APPS, HostEnvironment, connection_string
from tests.support.waiting import until

PATIENCE = 60  # dozens of calls, of one or two hosts, on a busy machine


def test_restart_skips_old_blobs_and_catches_up_timer(environment: HostEnvironment) -> None:
    environment.upload("old.txt", b"old")
    with running_host(environment.app, env=environment.env):
        until(lambda: environment.records("on_blob"))
        status = until(lambda: timer_status(environment))
        assert status["Last"].startswith("0001-01-01")
    assert not environment.records("on_time")

    # As if no host had run since before the last January 1.
    long_ago = datetime(2020, 5, 1, tzinfo=UTC)
    missed = {"Last": long_ago, "LastUpdated": long_ago, "Next": datetime(2021, 1, 1, tzinfo=UTC)}
    write_timer_status(environment, {key: value.isoformat() for key, value in missed.items()})
    environment.upload("young.txt", b"new")  # listed after the old blob, which would run first if it fired again
    with running_host(environment.app, env={**environment.env, "TIMER_FAILS_ONCE": "1"}):
        until(lambda: len(environment.records("on_blob")) == 2 and len(environment.records("on_time")) == 2)
        until(lambda: timer_status(environment)["Last"] > missed["Next"].isoformat())
    assert [line["body"] for line in environment.records("on_blob")] == ["old", "new"]
    assert [(line["past_due"], line["retry"]) for line in environment.records("on_time")] == [(True, 0), (True, 1)]
    assert environment.records("on_time")[0]["status"]["Next"].startswith("2021-01-01")
    assert timer_status(environment)["Next"][:10] == f"{datetime.now(UTC).year + 1}-01-01"


def test_changed_schedule_resets_timer(environment: HostEnvironment) -> None:
    past = datetime.now(UTC) - timedelta(days=900)
    record = {"Last": past, "LastUpdated": past, "Next": past + timedelta(minutes=7)}
    write_timer_status(environment, {key: value.isoformat() for key, value in record.items()})
    with running_host(environment.app, env=environment.env):
        until(lambda: timer_status(environment)["Last"].startswith("0001-01-01"))
    assert not environment.records("on_time")


def test_two_hosts_run_nothing_twice(environment: HostEnvironment) -> None:
    env = {**environment.env, "SCHEDULE": "*/2 * * * * *"}
    names = [f"n{number:02d}" for number in range(20)]
    with running_host(environment.app, env=env) as first, running_host(environment.app, env=env) as second:
        for name in names:
            environment.upload(f"{name}.txt", b"x")
            environment.send(name=name)
        until(
            lambda: len(environment.records("on_made")) >= 40 and len(environment.records("on_work_end")) >= 20,
            seconds=PATIENCE,
        )
        until(lambda: len(environment.records("on_time")) >= 3, seconds=PATIENCE)
        fired_by = {line["pid"] for line in environment.records("on_time")}
        # The host that holds the lock of the timer stops; the other takes over.
        (first if {first.pid} == fired_by else second).stop()
        until(lambda: {line["pid"] for line in environment.records("on_time")} > fired_by, seconds=PATIENCE)
    assert Counter(line["blob"] for line in environment.records("on_blob")) == {
        f"{environment.prefix}-in/{n}.txt": 1 for n in names
    }
    assert Counter(line["order"]["name"] for line in environment.records("on_work")) == dict.fromkeys(names, 1)
    assert len(environment.records("on_made")) == 40
    owners = [owner for owner, _ in groupby(line["pid"] for line in environment.records("on_time"))]
    assert len(owners) == 2, "both hosts fired the timer concurrently"


def test_duplicate_delivery(environment: HostEnvironment) -> None:
    names = [f"m{number}" for number in range(8)]
    for name in names:
        environment.send(name=name)
        environment.upload(f"{name}.txt", b"x")
    with running_host(environment.app, env=environment.env, duplicate_seed=3) as host:
        until(
            lambda: {line["order"]["name"] for line in environment.records("on_work_end")} == set(names),
            seconds=PATIENCE,
        )
        until(lambda: len({line["blob"] for line in environment.records("on_blob")}) == len(names), seconds=PATIENCE)
        until(lambda: queue_is_empty(environment, f"{environment.prefix}-work"), seconds=PATIENCE)
        assert "Duplicate delivery (seed 3)" in host.output()
    work = [line["order"]["name"] for line in environment.records("on_work")]
    copies = Counter(work)
    assert set(copies.values()) <= {1, 2, 3, 4, 5}
    assert max(copies.values()) > 1
    assert list(dict.fromkeys(work)) != names
    assert max(Counter(line["blob"] for line in environment.records("on_blob")).values()) > 1


def test_stop_waits_for_running_functions(environment: HostEnvironment) -> None:
    environment.send(name="long", sleep=1.5)
    with running_host(environment.app, env=environment.env) as host:
        until(lambda: environment.records("on_work"))
        assert host.stop() == 0
        assert len(environment.records("on_work_end")) == 1
        assert queue_is_empty(environment, f"{environment.prefix}-work")
        environment.send(name="after")
        assert "Traceback" not in host.output()
    assert [line["order"]["name"] for line in environment.records("on_work")] == ["long"]
    assert not queue_is_empty(environment, f"{environment.prefix}-work")


def test_message_survives_host_crash(environment: HostEnvironment) -> None:
    env = {**environment.env, "LOCAL_HOST_MESSAGE_INVISIBILITY": "4"}
    environment.send(name="twice", sleep=2)
    with running_host(environment.app, env=env) as host:
        until(lambda: environment.records("on_work"))
        assert host.kill() != 0
    with running_host(environment.app, env=env):
        until(lambda: environment.records("on_work_end"))
    assert [line["count"] for line in environment.records("on_work")] == [1, 2]


def test_function_timeout_restarts_worker_only(environment: HostEnvironment) -> None:
    """The message comes again, a neighbor in the same process ends by its own timeout, and the host goes on."""
    set_function_timeout(environment, "00:00:02")
    environment.send(name="endless", sleep=30, sleeps_once=True)
    with running_host(environment.app, env=environment.env) as host:
        until(lambda: environment.records("on_work"))
        environment.send(name="neighbor", sleep=1.9, sleeps_once=True)
        until(lambda: len(environment.records("on_work_end")) == 2, seconds=PATIENCE)
        until(lambda: queue_is_empty(environment, f"{environment.prefix}-work"))
        assert host.exit_code is None
        failures = [line for line in host.output().splitlines() if "functionTimeout" in line]
    counts = [(line["order"]["name"], line["count"]) for line in environment.records("on_work")]
    assert sorted(counts) == [("endless", 1), ("endless", 2), ("neighbor", 1), ("neighbor", 2)]
    assert len(failures) == 2
    assert len({line["worker"] for line in environment.records("on_work")}) == 2


def test_worker_crash_costs_each_call_one_delivery(environment: HostEnvironment) -> None:
    names = {"a", "b", "c"}
    for name in names:
        environment.send(name=name, sleep=30, sleeps_once=True)
    with running_host(environment.app, env=environment.env) as host:
        until(lambda: len(environment.records("on_work")) == len(names))
        host.crash_worker()
        until(lambda: len(environment.records("on_work_end")) == len(names), seconds=PATIENCE)
        until(lambda: queue_is_empty(environment, f"{environment.prefix}-work"))
        assert host.exit_code is None
    counts = [(line["order"]["name"], line["count"]) for line in environment.records("on_work")]
    assert sorted(counts) == sorted((name, count) for name in names for count in (1, 2))


def test_worker_process_count(environment: HostEnvironment) -> None:
    env = {**environment.env, "FUNCTIONS_WORKER_PROCESS_COUNT": "2", "PYTHON_THREADPOOL_THREAD_COUNT": "1"}
    with running_host(environment.app, env=env):
        environment.send(name="a", sleep=1)
        environment.send(name="b", sleep=1)
        until(lambda: len(environment.records("on_work_end")) == 2)
    assert len({line["worker"] for line in environment.records("on_work")}) == 2


def test_enable_auth_requires_keys(environment: HostEnvironment) -> None:
    env = {**environment.env, "LOCAL_HOST_FUNCTION_KEY": "fn-key", "LOCAL_HOST_MASTER_KEY": "master-key"}
    with running_host(environment.app, env=env, enable_auth=True) as host:
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
            "status by function key": status("/admin/host/status", "fn-key"),
            "status by wrong key": status("/admin/host/status", "fn-kez"),
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
        "webhook by system key": 400,  # authorized, but functionName is missing
        "status without": 401,
        "status by function key": 403,
        "status by wrong key": 401,
        "status by master key": 200,
    }


@pytest.mark.parametrize(
    ("app", "changes", "message"),
    [
        ("broken", {}, "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("sample", {"SCHEDULE": "every day"}, "'every day' has 2 fields"),
        ("sample", {"Data": "", "Data__blobServiceUri": "https://x"}, "Data__blobServiceUri"),
        ("sample", {"PREFIX": None}, "setting PREFIX"),
        ("sample", {"AzureWebJobsStorage": None}, "connection AzureWebJobsStorage"),
    ],
)
def test_unloadable_app_exits_with_cause(
    environment: HostEnvironment, app: str, changes: dict[str, str | None], message: str
) -> None:
    env = {key: value for key, value in {**environment.env, **changes}.items() if value is not None}
    with pytest.raises(HostFailedError) as failure, running_host(APPS / app, env=env):
        pass
    assert "exit code 3" in str(failure.value)
    assert message in str(failure.value)


def test_invalid_function_is_disabled_and_the_rest_served(environment: HostEnvironment) -> None:
    with running_host(environment.app, env={**environment.env, "SCHEDULE": "every day"}, strict=False) as host:
        assert "The function on_time is disabled" in host.output()
        environment.send(name="served")
        until(lambda: environment.records("on_work_end"))


def test_app_that_cannot_be_loaded_answers_404(environment: HostEnvironment) -> None:
    with running_host(APPS / "broken", env=environment.env, strict=False) as host:
        assert "ModuleNotFoundError" in host.output()
        connection = HTTPConnection("127.0.0.1", host.port, timeout=20)
        connection.request("GET", "/api/anything")
        assert connection.getresponse().status == 404
        connection.close()


def test_host_retries_without_storage(environment: HostEnvironment) -> None:
    nowhere = connection_string("http://127.0.0.1:1", "http://127.0.0.1:1")
    with running_host(
        environment.app, env={**environment.env, "AzureWebJobsStorage": nowhere, "Data": nowhere}
    ) as host:

        def host_logged(text: str) -> bool:
            return text in host.output()

        for retried in ("Lock BlobScan", "Lock Host.Functions.on_time.Listener", f"Queue {environment.prefix}-work"):
            until(partial(host_logged, retried), f"the host logs {retried}")
        assert host.exit_code is None
        assert host.stop() == 0
        assert "Traceback" not in host.output()


def set_function_timeout(environment: HostEnvironment, timeout: str) -> None:
    text = json.loads((environment.app / "host.json").read_text())
    (environment.app / "host.json").write_text(json.dumps({**text, "functionTimeout": timeout}))


def timer_status(environment: HostEnvironment) -> dict[str, str]:
    """Return the stored status of the timer; empty if there is none."""
    blob = status_blob(environment)
    return json.loads(blob.download_blob().readall()) if blob.exists() else {}


def write_timer_status(environment: HostEnvironment, record: dict[str, str]) -> None:
    blob = status_blob(environment)
    container = BlobServiceClient.from_connection_string(environment.azurite.connection_string)
    hosts = container.get_container_client("azure-webjobs-hosts")
    if not hosts.exists():
        hosts.create_container()
    blob.upload_blob(json.dumps(record), overwrite=True)


def status_blob(environment: HostEnvironment):
    service = BlobServiceClient.from_connection_string(environment.azurite.connection_string)
    host_id = environment.env["AzureFunctionsWebHost__hostid"]
    return service.get_blob_client("azure-webjobs-hosts", f"timers/{host_id}/Host.Functions.on_time/status")


def queue_is_empty(environment: HostEnvironment, name: str) -> bool:
    return environment.queue(name).get_queue_properties().approximate_message_count == 0
