"""The commands that list, show, watch and cancel runs, against a prepared app."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from frame_tools.cli.run_ids import complete_run_id
from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.trigger import Trigger
from frame_tools.storage.deployment import DataStorage
from tests.support.cli import RUN, run, run_failing
from tests.support.prepared_server import prepared_server
from tests.support.prepared_status import status_document

OTHER = "clap-0123456789"


def row(run_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "name": "clip",
        "status": "finished",
        "received_at": "2026-11-28T12:00:00+00:00",
        "ended_at": None,
        "label": "spring",
        "scorer": "any",
        "styles": ["wave.jpg"],
        "reason": "",
    } | fields


LISTING = (200, {"runs": [row(RUN), row(OTHER, status="scoring")]})


def test_runs_are_a_table() -> None:
    with prepared_server(LISTING) as server:
        filters = ("--status", "finished", "--name", "hol", "--label", "spring", "--since", "2026-11-29")
        result = run("runs", *filters, "--limit", 7, *server.options)
    assert result.exit_code == ExitCode.OK
    assert server.requests[0].path == "/api/runs?status=finished&name=hol&label=spring&since=2026-11-29&limit=7"
    header, first, second = result.stdout.splitlines()
    assert header.split() == ["run", "status", "started", "painting", "label"]
    assert first.split()[:2] == [RUN, "finished"]
    assert first.split()[-2:] == ["wave.jpg", "spring"]
    assert second.split()[:2] == [OTHER, "scoring"]


def test_long_run_ids_are_shown_whole() -> None:
    long_id = f"{'two-b-by-the-great-wave-off-kanagawa-painted-in-1831'[:40]}-0123456789"
    long_row = row(long_id, styles=["the great wave off kanagawa.jpg"], label="a-label-of-a-whole-series-of-clips")
    with prepared_server((200, {"runs": [long_row]})) as server:
        assert long_id in run("runs", *server.options).stdout


def test_show_leaves_out_the_defaults() -> None:
    options = Trigger(scorer="copy", strength=0.5, seed=7).model_dump(mode="json")
    with prepared_server((200, STATUS | {"options": options})) as server:
        assert "options    scorer=copy, seed=7, strength=0.5\n" in run("show", RUN, *server.options).stdout


def test_runs_for_programs() -> None:
    with prepared_server(LISTING) as server:
        lines = run("runs", "--json", *server.options).stdout.splitlines()
        table = run("runs", "--csv", *server.options).stdout
    assert [json.loads(line)["run_id"] for line in lines] == [RUN, OTHER]
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(each["run_id"], each["styles"]) for each in rows] == [(RUN, "wave.jpg"), (OTHER, "wave.jpg")]


def test_no_runs_are_no_error() -> None:
    with prepared_server((200, {"runs": []})) as server:
        assert run("runs", *server.options).exit_code == ExitCode.OK


STATUS = {
    "run_id": RUN,
    "status": "scoring",
    "progress": {"frames_done": 118, "frames": 248, "reason": "Waiting for a node"},
    "batches": {"planned": 3, "done": 1},
    "options": {"strength": 0.8},
    "received_at": "2026-11-28T12:00:00+00:00",
    "cost": {"expected": {"usd": {"spot": 0.03}}},
}


def test_show_says_what_people_want_to_know() -> None:
    with prepared_server((200, STATUS)) as server:
        text = run("show", RUN, *server.options).stdout
        document = run("show", RUN, "--json", *server.options).stdout
    facts = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert facts.keys() == {"run", "status", "reason", "frames", "batches", "started", "options", "cost"}
    assert (facts["frames"], facts["cost"], facts["options"]) == ("118 of 248", "about $0.03", "strength=0.8")
    assert json.loads(document) == STATUS


@pytest.mark.parametrize("command", ["show", "watch"])
def test_unknown_run_is_missing(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frame_tools.client.workflow.UNKNOWN_SECONDS", 0)
    unknown = (404, {"detail": "There is no run", "remedy": "List them"})
    with prepared_server(unknown) as server:
        assert RUN in run_failing(ExitCode.MISSING, command, RUN, *server.options)


def test_first_letters_name_a_run() -> None:
    with prepared_server(LISTING, (200, STATUS)) as server:
        assert run("show", "cli", *server.options).exit_code == ExitCode.OK
    assert server.requests[1].path == f"/api/runs/{RUN}"


@pytest.mark.parametrize(
    ("text", "code"), [("cl", ExitCode.INPUT), ("dog", ExitCode.MISSING), ("../x", ExitCode.INPUT)]
)
def test_letters_of_several_or_no_runs_are_rejected(text: str, code: ExitCode) -> None:
    with prepared_server(LISTING) as server:
        assert text in run_failing(code, "show", text, *server.options)


def test_shell_completes_run_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    with prepared_server(LISTING) as server:
        monkeypatch.setenv("IMPASTO_API", server.url)
        assert complete_run_id("cla") == [OTHER]
    assert complete_run_id("cla") == [], "no app answers"


def test_cancel_takes_runs_and_a_label() -> None:
    with prepared_server(LISTING, (200, status_document(RUN, "cancelled"))) as server:
        result = run("cancel", RUN, "--label", "spring", *server.options)
    assert result.stdout.splitlines() == [f"{RUN}: cancelled", f"{OTHER}: cancelled"]
    assert server.requests[0].path == "/api/runs?label=spring&limit=1000"
    assert run("cancel", *server.options).exit_code == ExitCode.MISSING


def test_watch_reports_the_end_for_programs() -> None:
    ended = STATUS | {"status": "finished", "video": f"output/{RUN}/video.mp4", "cost": {"usd": {"total": 0.03}}}
    with prepared_server((200, STATUS), (200, ended)) as server:
        lines = run("watch", RUN, "--json", *server.options).stdout.splitlines()
    documents = [json.loads(line) for line in lines]
    assert [each["event"] for each in documents][-1] == "ended"
    assert documents[-1]["output"] == f"output/{RUN}/video.mp4"


def test_json_and_quiet_exclude_each_other() -> None:
    run_failing(ExitCode.INPUT, "watch", RUN, "--json", "--quiet", "--api", "http://127.0.0.1:9/api")


CHECKS = [
    {"check": "pool", "verdict": "ok", "message": "exists"},
    {"check": "queue", "verdict": "stop", "message": "is missing", "remedy": "Create it"},
]


def test_doctor_shows_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA__blobServiceUri", "https://data.blob.core.windows.net")
    ready, broken = {"ready": True, "checks": CHECKS[:1]}, {"ready": False, "checks": CHECKS}
    with prepared_server((200, ready), (200, broken)) as server:
        healthy, ill = run("doctor", *server.options), run("doctor", *server.options)
    assert (healthy.exit_code, ill.exit_code) == (ExitCode.OK, ExitCode.TEMPORARY)
    assert "pool                 ok: exists" in healthy.stdout
    assert "queue                FAILED: is missing. Create it" in ill.stdout


def test_label_downloads_all_runs(storage: DataStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run_id in (RUN, OTHER):
        video = RunPaths(run_id).video("mp4")
        storage.output.write(RunPaths(run_id).report, json.dumps({"run_id": run_id, "video": video}).encode())
        storage.output.write(video, run_id.encode())
    with prepared_server(LISTING) as server:
        monkeypatch.setenv("IMPASTO_API", server.url)
        result = run("get", "--label", "spring", "-o", tmp_path / "new")
    assert result.exit_code == ExitCode.OK, result.output
    assert {path.name for path in (tmp_path / "new").iterdir()} == {f"{RUN}.mp4", f"{OTHER}.mp4"}


def test_label_watches_all_runs() -> None:
    ended = STATUS | {"status": "finished", "video": "v", "cost": {"usd": None}}
    with prepared_server(LISTING, (200, ended)) as server:
        result = run("watch", "--label", "spring", *server.options)
    assert result.stdout.splitlines() == ["finished: v", "finished: v"]


def test_open_writes_the_page(storage: DataStorage, tmp_path: Path) -> None:
    assert RUN in run_failing(ExitCode.MISSING, "open", RUN, "--no-browser")
    storage.output.write(RunPaths(RUN).page, b"<!doctype html>")
    result = run("open", RUN, "--no-browser", "-o", tmp_path / "new" / "page.html")
    assert result.stdout == f"{tmp_path / 'new' / 'page.html'}\n"
    assert (tmp_path / "new" / "page.html").read_bytes() == b"<!doctype html>"
