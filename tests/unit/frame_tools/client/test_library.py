"""The client for Python programs, with an app in this process and on a prepared server."""

from pathlib import Path
from typing import Any

import av
import pytest

import impasto
from frame_tools.client.library import Client
from frame_tools.client.polling import RunEndedError
from frame_tools.contracts.errors import InputError, MissingError
from tests.support.clips import Clip, make_clip
from tests.support.in_process_app import InProcessConnection, connection
from tests.support.prepared_server import prepared_server
from tests.support.prepared_status import status_document
from tests.support.world import painting

RUN = "clip-0123456789"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> InProcessConnection:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return connection()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", Clip(frames=4))


def test_paint_wait_and_download_in_one_line(cloud: InProcessConnection, clip: Path) -> None:
    seen: list[str] = []
    run = Client(cloud).paint(clip, scorer="copy", frames_per_batch=2, label="spring")
    written = run.wait(lambda status: seen.append(status.status)).download()
    assert (written, seen[-1]) == (clip.with_name("clip_copy.mp4"), "finished")
    with av.open(str(written)) as video:
        assert len(list(video.decode(video=0))) == 4
    (row,) = [each for each in [run.status()] if each.run_id == run.id]
    assert (row.frames, row.options["label"] if row.options else None) == (4, "spring")


def test_output_is_checked_before_any_work(cloud: InProcessConnection, clip: Path) -> None:
    clip.with_name("out.mp4").write_bytes(b"mine")
    with pytest.raises(InputError, match="out"):
        Client(cloud).paint(clip, scorer="copy", out=clip.with_name("out.mp4"))
    assert list(cloud.world.storage.input.list("")) == []


@pytest.mark.parametrize("options", [{"strength": 2}, {"scorer": "cop"}, {"strenght": 1, "scorer": "copy"}, {}])
def test_invalid_options_are_named(cloud: InProcessConnection, clip: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError) as raised:
        Client(cloud).paint(clip, **options)
    assert next(iter(options), "style") in raised.value.what


def test_styles_are_uploaded_with_their_weights(cloud: InProcessConnection, clip: Path) -> None:
    styles = {clip.with_name("a b.png"): 2, clip.with_name("c.png"): 1.0}
    for style in styles:
        style.write_bytes(painting())
    run = Client(cloud).paint(clip, style=styles, name="mix")
    run.connection.api().status(run.id)
    assert cloud.request(run.id).style == {"a b.png": 2.0, "c.png": 1.0}
    assert {item.name for item in cloud.world.storage.input.list("mix/")} >= {"mix/a b.png", "mix/c.png"}


def test_masks_and_styles_over_time_are_uploaded(cloud: InProcessConnection, clip: Path) -> None:
    night, wave, mask = (clip.with_name(name) for name in ("night.png", "wave.png", "mask.png"))
    for file in (night, wave, mask):
        file.write_bytes(painting())
    run = Client(cloud).paint(clip, style=night, key_styles={4.5: {wave: 1}, 2: wave}, mask=mask, name="timed")
    run.connection.api().status(run.id)
    request = cloud.request(run.id)
    assert request.mask == "mask.png"
    assert [(each.at, each.style) for each in request.key_styles] == [(2.0, "wave.png"), (4.5, {"wave.png": 1.0})]
    stored = {item.name for item in cloud.world.storage.input.list("timed/")}
    assert stored >= {"timed/mask.png", "timed/night.png", "timed/wave.png"}


@pytest.mark.parametrize("is_own", [True, False])
def test_download_writes_the_files_beside_the_video(cloud: InProcessConnection, clip: Path, is_own: bool) -> None:
    run = Client(cloud).paint(clip, scorer="copy", frames_per_batch=2).wait()
    again = run if is_own else Client(cloud).run(run.id)
    out = clip.with_name("out.mp4")
    files = again.download_all(out, compare="wipe", gif=True, webp=True, report=True)
    assert (files.out, [path.name for path in files.beside]) == (
        out,
        ["out_wipe.mp4", "out.gif", "out.webp", "out_report"],
    )
    assert all(path.exists() for path in files.beside)
    with pytest.raises(InputError, match="out"):
        again.download(out, gif=True)
    assert again.download(out, overwrite=True) == out


@pytest.mark.parametrize("is_own", [True, False])
def test_records_are_written_in_a_chosen_format(cloud: InProcessConnection, clip: Path, is_own: bool) -> None:
    run = Client(cloud).paint(clip, scorer="describe", frames_per_batch=2).wait()
    again = run if is_own else Client(cloud).run(run.id)
    table = again.download(clip.with_name("table.csv"))
    assert len(table.read_text().splitlines()) == 1 + 4
    columnar = again.download(clip.with_name("table.jsonl"), records="parquet")
    assert (columnar.name, columnar.read_bytes()[:4]) == ("table.parquet", b"PAR1")


def test_unknown_comparison_is_named_before_the_download(cloud: InProcessConnection, clip: Path) -> None:
    run = Client(cloud).paint(clip, scorer="copy").wait()
    with pytest.raises(InputError, match="diagonal"):
        run.download(compare="diagonal")  # type: ignore[arg-type]
    assert not clip.with_name("clip_copy.mp4").exists()


def test_input_is_painted_again_with_another_style(cloud: InProcessConnection, clip: Path) -> None:
    first = Client(cloud).paint(clip, scorer="copy").wait()
    style = clip.with_name("wave.png")
    style.write_bytes(painting())
    again = first.repaint({style: 1}, scorer="any", seed=7)
    cloud.client.status(again.id)
    request = cloud.request(again.id)
    assert (request.input, request.style, request.seed) == ("clip", {"wave.png": 1.0}, 7)


def test_missing_files_are_named(cloud: InProcessConnection, clip: Path) -> None:
    with pytest.raises(MissingError, match="style"):
        Client(cloud).paint(clip, style="nowhere.jpg")
    with pytest.raises(MissingError, match="video"):
        Client(cloud).paint("nowhere.mp4", scorer="copy")


def test_failed_run_raises_with_reason_and_remedy() -> None:
    with prepared_server((200, status_document(RUN, "failed", reason="No frames", remedy="Upload some"))) as server:
        run = impasto.Client(server.url, "secret").run(RUN)
        with pytest.raises(RunEndedError) as raised:
            run.wait()
    assert "No frames" in raised.value.what
    assert raised.value.remedy == "Upload some"
    assert server.requests[0].key == "secret"


def test_runs_of_all_pages_are_returned() -> None:
    row = dict.fromkeys(impasto.RunRow.model_fields) | {"status": "finished", "reason": "", "styles": []}
    pages = [
        (200, {"runs": [{**row, "run_id": "a-0123456789"}], "next": "x y"}),
        (200, {"runs": [{**row, "run_id": "b-0123456789", "a_field_of_a_newer_app": 1}], "next": None}),
    ]
    with prepared_server(*pages) as server:
        runs = impasto.Client(server.url).runs(status="finished")
    assert [each.run_id for each in runs] == ["a-0123456789", "b-0123456789"]
    assert [request.path for request in server.requests] == [
        "/api/runs?status=finished&limit=1000",
        "/api/runs?status=finished&limit=1000&after=x+y",
    ]


def test_cancel_and_resubmit_use_the_runs_routes() -> None:
    with prepared_server((200, status_document(RUN, "cancelled")), (202, {"run_id": "clip-9876543210"})) as server:
        run = impasto.Client(server.url).run(RUN)
        assert run.cancel().status == "cancelled"
        assert run.resubmit("all", {"strength": 0.5}).id == "clip-9876543210"
    assert [request.path for request in server.requests] == [f"/api/runs/{RUN}/cancel", f"/api/runs/{RUN}/resubmit"]


def test_unknown_run_and_invalid_id() -> None:
    with prepared_server((404, {"detail": "There is no run", "remedy": "List them"})) as server:
        client = impasto.Client(server.url)
        with pytest.raises(MissingError):
            client.run(RUN).status()
        with pytest.raises(InputError):
            client.run("../x")
    assert len(server.requests) == 1


def test_public_names_exist() -> None:
    assert all(hasattr(impasto, name) for name in impasto.__all__)
