"""Responses compared with recorded responses of the real service."""

from typing import Any

import pytest
from azure.batch import models as m

VERSION = "?api-version=2025-06-01"


def test_error_body(cloud: Any, assert_like_recorded: Any) -> None:
    cloud.job("twice")
    status, body, headers = cloud.raw("POST", f"/jobs{VERSION}", {"id": "TWICE", "poolInfo": {"poolId": "gpu"}})
    assert status == 409
    assert_like_recorded(body, "error_job_exists")
    assert headers["Content-Type"] == "application/json; odata=minimalmetadata"
    assert headers["DataServiceVersion"] == "3.0"
    assert headers["request-id"] in body["message"]["value"]


def test_no_authorization(cloud: Any, assert_like_recorded: Any) -> None:
    for header in ("", "Bearer abc"):
        status, body, _ = cloud.raw("GET", f"/jobs{VERSION}", headers={"Authorization": header})
        assert status == 403
        assert_like_recorded(body, "error_authentication_failed")


def test_body_too_large(cloud: Any, assert_like_recorded: Any) -> None:
    cloud.job("large")
    body = {"value": [{"id": "t", "commandLine": "x" * 1_048_576}]}
    status, answer, _ = cloud.raw("POST", f"/jobs/large/addtaskcollection{VERSION}", body)
    assert status == 413
    assert_like_recorded(answer, "error_body_too_large")


def test_invalid_property(cloud: Any, assert_like_recorded: Any) -> None:
    body = {"id": "no blanks", "poolInfo": {"poolId": "gpu"}}
    status, answer, _ = cloud.raw("POST", f"/jobs{VERSION}", body)
    assert status == 400
    assert_like_recorded(answer, "error_invalid_property_value")
    assert answer["values"][0]["value"] == "id"


def test_invalid_requests_are_rejected(cloud: Any) -> None:
    asked = {
        ("GET", "/jobs"): (400, "MissingRequiredQueryParameter"),
        ("GET", "/jobs?api-version=2024-07-01.20.0"): (400, "UnsupportedRequestVersion"),
        ("GET", f"/nothing{VERSION}"): (404, "ResourceNotFound"),
        ("PATCH", f"/jobs{VERSION}"): (405, "UnsupportedHttpVerb"),
        ("GET", f"/jobs{VERSION}&maxresults=1001"): (400, "InvalidQueryParameterValue"),
        ("GET", f"/jobs{VERSION}&$filter=state%20like%20'x'"): (400, "InvalidQueryParameterValue"),
    }
    answers = {request: cloud.raw(*request) for request in asked}
    assert {request: (status, body["code"]) for request, (status, body, _) in answers.items()} == asked


def test_unsupported_property_is_rejected(cloud: Any) -> None:
    cloud.job("plain")
    task = {"id": "t", "commandLine": "true", "dependsOn": {"taskIds": ["a"]}}
    status, body, _ = cloud.raw("POST", f"/jobs/plain/tasks{VERSION}", task)
    assert (status, body["code"]) == (400, "UnsupportedProperty")
    assert "dependsOn" in body["values"][1]["value"]
    status, body, _ = cloud.raw("POST", f"/jobs/plain/tasks{VERSION}", {"id": "t", "comandLine": "true"})
    assert (status, body["code"]) in {(400, "InvalidRequestBody"), (400, "MissingRequiredProperty")}


def test_job_and_task_defaults(cloud: Any, assert_like_recorded: Any) -> None:
    cloud.job("shape", pool="nowhere")
    status, body, headers = cloud.raw("GET", f"/jobs/shape{VERSION}")
    assert status == 200
    assert_like_recorded(body, "job_defaults")
    assert headers["ETag"] == body["eTag"]
    cloud.add("shape", "t", "true")
    assert_like_recorded(cloud.raw("GET", f"/jobs/shape/tasks/t{VERSION}")[1], "task_defaults")


def test_location_of_new_job_and_task(cloud: Any) -> None:
    status, body, headers = cloud.raw("POST", f"/jobs{VERSION}", {"id": "here", "poolInfo": {"poolId": "gpu"}})
    assert (status, body) == (201, None)
    assert headers["Location"].endswith("/jobs/job-1")
    task = {"id": "real", "commandLine": "true", "containerSettings": {"imageName": "painter:1"}}
    _, _, headers = cloud.raw("POST", f"/jobs/here/tasks{VERSION}", task)
    assert headers["Location"].endswith("/jobs/here/tasks/real")


def test_collection_items(cloud: Any, assert_like_recorded: Any) -> None:
    cloud.job("items")
    cloud.add("items", "there", "true")
    tasks = [{"id": name, "commandLine": "true"} for name in ("there", "new")]
    status, body, _ = cloud.raw("POST", f"/jobs/items/addtaskcollection{VERSION}", {"value": tasks})
    assert status == 200
    items = {item["taskId"]: item for item in body["value"]}
    assert_like_recorded(items["there"], "added_client_error")
    assert_like_recorded(items["new"], "added_success")


def test_execution_info_of_failed_tasks(cloud: Any, assert_like_recorded: Any) -> None:
    cloud.job("failing")
    cloud.run("failing", "exit2", "sh -c 'exit 2'", constraints=m.BatchTaskConstraints(max_task_retry_count=3))
    cloud.run("failing", "nobody", "no-such-program --now", constraints=m.BatchTaskConstraints(max_task_retry_count=3))
    body = cloud.raw("GET", f"/jobs/failing/tasks/exit2{VERSION}&$select=executionInfo")[1]
    assert_like_recorded(body["executionInfo"], "execution_exit_code")
    body = cloud.raw("GET", f"/jobs/failing/tasks/nobody{VERSION}&$select=executionInfo")[1]
    assert_like_recorded(body["executionInfo"], "execution_program_not_found")
    status, body, _ = cloud.raw("POST", f"/jobs/failing/tasks/exit2/terminate{VERSION}")
    assert status == 409
    assert_like_recorded(body, "error_task_completed")


def test_task_counts(cloud: Any, assert_like_recorded: Any) -> None:
    cloud.job("counted", pool="nowhere")
    cloud.add("counted", "wide", "true", required_slots=3)
    assert_like_recorded(cloud.raw("GET", f"/jobs/counted/taskcounts{VERSION}")[1], "task_counts")


def test_evaluate_auto_scale(cloud: Any, assert_like_recorded: Any) -> None:
    formula = {"autoScaleFormula": "$TargetDedicatedNodes=2;"}
    spec = {"id": "evaluated", "vmSize": "x", "enableAutoScale": True} | formula
    assert cloud.raw("POST", f"/pools{VERSION}", spec)[0] == 201
    status, body, _ = cloud.raw("POST", f"/pools/evaluated/evaluateautoscale{VERSION}", formula)
    assert status == 200
    assert_like_recorded(body, "evaluate_auto_scale")


def test_operations_return_new_etag(cloud: Any) -> None:
    cloud.job("stamped")
    etags = [cloud.raw("GET", f"/jobs/stamped{VERSION}")[1]["eTag"]]
    for operation, body in (("disable", {"disableTasks": "wait"}), ("enable", None), ("terminate", None)):
        if operation == "enable":
            cloud.await_job("stamped", "disabled")
        _, _, headers = cloud.raw("POST", f"/jobs/stamped/{operation}{VERSION}", body)
        assert headers["DataServiceId"].endswith(f"/jobs/stamped/{operation}")
        assert "Last-Modified" in headers
        etags.append(headers["ETag"])
    assert len(set(etags)) == 4
    assert cloud.await_job("stamped", "completed").etag == etags[-1]


def test_task_operations_return_new_etag(cloud: Any) -> None:
    cloud.job("stamped-tasks")
    etags = [cloud.run("stamped-tasks", "t", "sh -c 'test -e $AZ_BATCH_NODE_ROOT_DIR/../hold && sleep 300'").etag]
    (cloud.data / "nodes" / "gpu" / "hold").touch()
    for operation in ("reactivate", "terminate"):
        status, _, headers = cloud.raw("POST", f"/jobs/stamped-tasks/tasks/t/{operation}{VERSION}")
        assert (status, headers["DataServiceId"].endswith(f"/t/{operation}")) == (204, True)
        etags.append(headers["ETag"])
    assert len(set(etags)) == 3
    assert cloud.client.get_task("stamped-tasks", "t").etag == etags[-1]


def test_modification_time_preconditions(cloud: Any) -> None:
    cloud.job("dated")
    earlier, later = "Mon, 01 Jan 2024 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
    results = [
        cloud.raw(method, f"/jobs/dated{VERSION}", body, headers={name: value})[0]
        for method, body, name, value in (
            ("PATCH", {"priority": 1}, "If-Unmodified-Since", earlier),
            ("PATCH", {"priority": 1}, "If-Unmodified-Since", later),
            ("GET", None, "If-Modified-Since", later),
            ("GET", None, "If-Modified-Since", earlier),
        )
    ]
    assert results == [412, 200, 304, 200]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobschedules"),
        ("PATCH", "/pools/gpu"),
        ("POST", "/pools/gpu/removenodes"),
        ("GET", "/pools/gpu/nodes/n/files"),
    ],
)
def test_unsupported_operation_is_named(cloud: Any, method: str, path: str) -> None:
    status, body, _ = cloud.raw(method, f"{path}{VERSION}", {} if method != "GET" else None)
    assert (status, body["code"]) == (501, "NotImplemented")
    assert path in body["values"][0]["value"]


def test_client_request_id_is_returned_on_request(cloud: Any) -> None:
    sent = {"client-request-id": "abc"}
    for path in ("/jobs", "/jobs/missing"):
        assert "client-request-id" not in cloud.raw("GET", f"{path}{VERSION}", headers=sent)[2]
        headers = cloud.raw("GET", f"{path}{VERSION}", headers=sent | {"return-client-request-id": "true"})[2]
        assert headers["client-request-id"] == "abc"


def test_unknown_property_in_query_is_rejected(cloud: Any) -> None:
    cloud.job("queried")
    for path in ("/jobs", "/jobs/queried", "/pools", "/jobs/queried/tasks"):
        status, body, _ = cloud.raw("GET", f"{path}{VERSION}&$select=id,State")
        assert (status, body["code"]) == (400, "InvalidQueryParameterValue")
