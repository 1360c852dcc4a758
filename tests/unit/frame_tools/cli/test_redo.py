"""`redo` sends what the app understands, and reports the app's errors."""

from collections.abc import Iterator
from typing import Any

import pytest

from frame_tools.contracts.errors import ExitCode
from orchestration.handlers.resubmit import parse_resubmit_request
from tests.support.cli import RUN, run, run_failing
from tests.support.prepared_server import PreparedServer, prepared_server


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[PreparedServer]:
    with prepared_server(getattr(request, "param", (202, {"run_id": "clip-ffffffffff"}))) as server:
        yield server


@pytest.mark.parametrize(
    ("options", "which", "changes"),
    [
        ([], "missing", {}),
        (["--which", "failed"], "failed", {}),
        (["--which", "0,3"], [0, 3], {}),
        (["--which", "7"], [7], {}),
        (
            ["--which", "all", "--strength", 0.5, "--scorer", "script", "--program", "x", "--set", "a=1", "--seed", 0],
            "all",
            {"strength": 0.5, "scorer": "script", "program": "x", "arguments": {"a": 1}, "seed": 0},
        ),
        (
            ["--which", "all", "--strokes", 2, "--default", "size", "--default", "temporal_smoothing"],
            "all",
            {"strokes": 2, "size": None, "temporal_smoothing": None},
        ),
    ],
)
def test_request_is_what_the_app_parses(
    server: PreparedServer, options: list[object], which: object, changes: dict[str, Any]
) -> None:
    result = run("redo", RUN, *options, *server.options)
    assert (result.exit_code, result.stdout) == (ExitCode.OK, "clip-ffffffffff\n")
    (request,) = server.requests
    assert (request.path, request.key) == (f"/api/runs/{RUN}/resubmit", "secret")
    parsed = parse_resubmit_request(request.body)
    assert (parsed.which, parsed.options) == (which, changes)


@pytest.mark.parametrize(
    ("server", "code"),
    [
        ((400, {"detail": "The run has no plan", "remedy": "Resubmit missing"}), ExitCode.INPUT),
        ((404, {"detail": "The run does not exist", "remedy": "Check the run id"}), ExitCode.MISSING),
        ((503, {"detail": "Batch is busy", "remedy": "Try again"}), ExitCode.TEMPORARY),
    ],
    indirect=["server"],
)
def test_app_error_is_reported_with_its_remedy(server: PreparedServer, code: ExitCode) -> None:
    payload = server.responses[0][1]
    assert run_failing(code, "redo", RUN, *server.options) == f"{payload['detail']}. {payload['remedy']}."


def test_invalid_run_id_is_not_sent(server: PreparedServer) -> None:
    assert "../secrets" in run_failing(ExitCode.INPUT, "redo", "../secrets", *server.options)
    assert server.requests == []
