"""Arithmetic and pure functions, by properties."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.contracts.requests import TaskConstraints
from local_cloud.batch_service.contracts.serialization import (
    UNLIMITED,
    etag,
    format_duration,
    format_time,
    parse_duration,
)
from local_cloud.batch_service.execution.assignment import PendingTask, assign
from local_cloud.batch_service.execution.file_transfer import credential_for
from local_cloud.batch_service.execution.process import ProcessExit
from local_cloud.batch_service.routes.odata import paginate
from local_cloud.batch_service.state import transitions
from local_cloud.batch_service.state.models import Task

AT = dt.datetime(2026, 1, 22, 20, 18, 17, 854394, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("PT05M00S", "PT5M"),
        ("PT06H00M00S", "PT6H"),
        ("P1D", "P1D"),
        ("PT0.5S", "PT0.5S"),
        ("P9999999999D", "P10675199DT2H48M5.4775807S"),
    ],
)
def test_durations_as_the_client_sends_and_the_service_answers_them(sent: str, answered: str) -> None:
    assert format_duration(parse_duration(sent)) == answered
    assert parse_duration("P10675199DT2H48M5.4775807S") == UNLIMITED


@given(st.timedeltas(min_value=dt.timedelta(0), max_value=UNLIMITED))
def test_duration_round_trip(duration: dt.timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "P", "PT", "5", "P1M", "PT1H1D", "-PT1S", None, 5])
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


def test_stamp_and_etag_look_like_the_services() -> None:
    assert format_time(AT) == "2026-01-22T20:18:17.8543940Z"
    # A recorded ETag, 0x8DDEBF521C8E898, is a time of .NET's clock: 100 ns steps since year 1.
    recorded = dt.datetime(1, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=0x8DDEBF521C8E898 // 10)
    assert recorded.year == 2025
    assert int(etag(recorded), 16) // 10 == 0x8DDEBF521C8E898 // 10


slots = st.integers(1, 4)


@given(
    tasks=st.lists(slots, max_size=12),
    free=st.dictionaries(st.sampled_from("abc"), st.integers(0, 6)),
    pack=st.booleans(),
)
def test_no_node_gets_more_than_it_has_and_no_room_is_left_unused(
    tasks: list[int], free: dict[str, int], pack: bool
) -> None:
    pending = [PendingTask(job_id="j", task_id=str(i), slots=n) for i, n in enumerate(tasks)]
    placements = assign(pending, free, pack=pack)
    left = dict(free)
    for placement in placements:
        left[placement.node_id] -= placement.pending.slots
    assert all(room >= 0 for room in left.values())
    placed = {placement.pending.task_id for placement in placements}
    assert len(placed) == len(placements)
    assert all(task.slots > max(left.values(), default=0) for task in pending if task.task_id not in placed)


def make_task(retries: int) -> Task:
    constraints = TaskConstraints(max_task_retry_count=retries)
    times: dict[str, Any] = dict.fromkeys(("last_modified", "creation_time", "state_transition_time"), AT)
    return Task(id="t", command_line="x", e_tag="0x1", constraints=constraints, **times)


@given(retries=st.integers(0, 5), codes=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_a_task_runs_until_success_or_until_its_retries_are_used_up(retries: int, codes: list[int]) -> None:
    task = make_task(retries)
    runs = 0
    for code in codes:
        task = transitions.task_ended(task, ProcessExit(code, timed_out=False), upload_failure=None, at=AT)
        runs += 1
        if task.state == "completed":
            break
    expected = next((i + 1 for i, code in enumerate(codes[: retries + 1]) if code == 0), retries + 1)
    assert runs == expected
    assert task.execution_info.retry_count == runs - 1
    assert (task.execution_info.result == "success") == (codes[runs - 1] == 0)
    assert (task.execution_info.failure_info is None) == (codes[runs - 1] == 0)
    assert task.e_tag == "0x1"


@given(count=st.integers(0, 30), size=st.integers(1, 10))
def test_pages_are_the_list(count: int, size: int) -> None:
    entities = [{"id": f"T{i:02}", "state": "active" if i % 2 else "completed"} for i in range(count)]
    query = {"maxresults": str(size), "$filter": "state eq 'active'"}
    seen: list[Any] = []
    token: str | None = None
    while True:
        page = paginate(entities, query if token is None else query | {"$skiptoken": token})
        assert len(page.items) <= size
        seen += page.items
        token = page.next_token
        if token is None:
            break
    assert seen == [entity for entity in entities if entity["state"] == "active"]


def test_filter_follows_paths_and_quotes() -> None:
    entities = [{"id": "a", "info": {"name": "it's"}}, {"id": "b"}]
    page = paginate(entities, {"$filter": "info/name eq 'it''s'", "$select": "id"})
    assert page.items == [{"id": "a"}]
    assert paginate(entities, {"$filter": "info/name ne 'it''s'"}).items == [{"id": "b"}]
    with pytest.raises(BatchError):
        paginate(entities, {"$filter": "id eq 'a' or id eq 'b'"})


LOCAL = "AccountName=ops;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:10000/ops;"
AZURE = "DefaultEndpointsProtocol=https;AccountName=data;AccountKey=a2V5;EndpointSuffix=core.windows.net"


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("http://127.0.0.1:10000/ops/logs/x", "ops"),
        ("http://127.0.0.1:10000/opsother/logs", None),
        ("http://127.0.0.1:10001/ops/logs", None),
        ("https://data.blob.core.windows.net/logs", "data"),
        ("http://127.0.0.1:10000/ops/logs?sv=1&sig=abc", None),
    ],
)
def test_credential_is_that_of_the_account_in_the_url(url: str, account: str | None) -> None:
    credential = credential_for(url, {"PATH": "/bin", "A": LOCAL, "B": AZURE})
    assert (credential.named_key.name if credential else None) == account
