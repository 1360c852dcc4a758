"""Following a run through the HTTP interface, with interruptions, and through the report in `output`."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from frame_tools.client import polling
from frame_tools.client.api import ApiClient
from frame_tools.client.polling import RunEndedError, check_finished, follow, wait_for_report
from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.deployment import DataStorage
from frame_tools.storage.in_memory import BlobStore, InMemoryContainer
from tests.support.prepared_server import Request, prepared_server

RUN = "clip-0123456789"
UNKNOWN = (404, {"detail": "There is no run", "remedy": "Wait"})
UNAVAILABLE = (503, b"<html>Service unavailable</html>")


def at(status: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"run_id": RUN, "status": status} | fields


def test_follow_survives_interruptions() -> None:
    responses = [
        UNKNOWN, at("scoring"), UNAVAILABLE, at("scoring"), UNKNOWN, at("joining"), at("finished", video="v"),
    ]  # fmt: skip
    with prepared_server(*responses) as server:
        statuses = list(follow(ApiClient(url=server.url + "/", key="secret"), RUN, pause=0))
    assert [status["status"] for status in statuses] == ["scoring", "scoring", "joining", "finished"]
    assert statuses[-1]["video"] == "v"
    expected = Request(f"/api/runs/{RUN}", "secret", b"")
    assert server.requests == [expected] * len(responses), "no request after the run has ended"


@pytest.mark.parametrize("end", ["finished", "failed", "refused", "cancelled"])
def test_follow_stops_at_every_end(end: str) -> None:
    with prepared_server(at(end, reason="The frame 3 is damaged", remedy="Upload it again.")) as server:
        statuses = list(follow(ApiClient(url=server.url), RUN, pause=0))
    assert len(statuses) == 1
    if end == "finished":
        check_finished(statuses[0])
        return
    with pytest.raises(RunEndedError, match=f"{end}.*The frame 3 is damaged") as caught:
        check_finished(statuses[0])
    assert RUN in caught.value.what
    assert caught.value.remedy == "Upload it again."


@pytest.mark.parametrize("code", [401, 403])
def test_rejected_key_stops_at_once(code: int) -> None:
    with prepared_server((code, b"")) as server, pytest.raises(InputError, match="IMPASTO_KEY"):
        list(follow(ApiClient(url=server.url), RUN, pause=0))
    assert server.requests == [Request(f"/api/runs/{RUN}", None, b"")]


def test_unknown_run_is_given_up() -> None:
    with prepared_server(UNKNOWN) as server, pytest.raises(MissingError, match=RUN):
        list(follow(ApiClient(url=server.url), RUN, pause=0, unknown_seconds=0))


def test_run_that_a_person_named_is_given_up_early() -> None:
    assert polling.UNKNOWN_SECONDS <= 5 < polling.MAX_SILENCE_SECONDS


def test_long_run_is_polled_less_often() -> None:
    pauses = [polling.poll_pause(elapsed) for elapsed in range(0, 1000, 10)]
    assert pauses == sorted(pauses)
    assert (pauses[0], polling.poll_pause(180), pauses[-1]) == (0.5, 3.0, 5.0)


def test_silence_counts_from_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pause lasts a third of the limit: short interruptions add up to more, one long one exceeds it."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(polling, "time", clock)

    def advance(_pause: float) -> None:
        clock.now += polling.MAX_SILENCE_SECONDS / 3

    short = [at("scoring"), UNAVAILABLE, UNKNOWN, at("scoring"), UNAVAILABLE, UNAVAILABLE, at("finished")]
    with prepared_server(*short) as server:
        assert len(list(follow(ApiClient(url=server.url), RUN, sleep=advance))) == 3
    with prepared_server(at("scoring"), UNAVAILABLE) as server, pytest.raises(TemporaryError, match="503"):
        list(follow(ApiClient(url=server.url), RUN, sleep=advance))
    assert len(server.requests) == 5


def test_app_that_never_answered_is_not_awaited() -> None:
    with prepared_server(UNAVAILABLE) as server, pytest.raises(TemporaryError, match="503"):
        list(follow(ApiClient(url=server.url), RUN, sleep=lambda _: pytest.fail("it waited")))
    assert len(server.requests) == 1


def test_unreachable_app_is_named() -> None:
    with prepared_server(UNKNOWN) as server:
        url = server.url
    with pytest.raises(TemporaryError, match=url):
        list(follow(ApiClient(url=url), RUN, pause=0))


def storage_with(output: InMemoryContainer) -> DataStorage:
    empty = InMemoryContainer("input", BlobStore())
    return DataStorage(input=empty, triggers=empty, output=output)


def test_wait_for_report_reads_until_it_exists() -> None:
    reads = []

    def write_at_third_read(_name: str, writes: bool) -> None:
        if not writes:
            reads.append(_name)
            if len(reads) == 3:
                report = {"run_id": RUN, "status": "refused", "reason": "No frames"}
                InMemoryContainer("output", shelf).write(RunPaths(RUN).report, json.dumps(report).encode())

    shelf = BlobStore()
    output = InMemoryContainer("output", shelf, write_at_third_read)
    report = wait_for_report(storage_with(output), RUN, minutes=1, pause=0)
    assert (report["status"], report["reason"], len(reads)) == ("refused", "No frames", 3)


def test_wait_for_report_has_a_time_limit() -> None:
    with pytest.raises(TemporaryError, match=RUN):
        wait_for_report(storage_with(InMemoryContainer("output", BlobStore())), RUN, minutes=0, pause=0)
