"""The report of a run: outcome, times, steadiness and bad frames."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import BadFrame, Receipt, SteadinessSums, StoredFile
from frame_tools.storage.receipts import read_receipt
from orchestration.reporting.report import contrast_notes, least_contrast, mean_steadiness, summarize_bad_frames
from tests.support.fake_node import TIMES
from tests.support.world import World


def test_report_of_finished_run(world: World) -> None:
    run_id, other = world.start("clip"), world.start("clip")
    world.finish(run_id)
    world.finish(other)
    assert world.video(run_id) == world.video(other)
    report = world.report(run_id)
    assert (report["status"], report["video"], report["name"]) == ("finished", f"{run_id}/video.mp4", "clip")
    assert report["plan"]["borders"] == [0, 2, 4, 6]
    assert report["scoring"] == {
        "frames": 6,
        "batches": 3,
        "batches_planned": 3,
        "tasks": 3,
        "task_seconds": 6.0,
        "start_up_seconds": 3.0,
        "infer_seconds_per_image": 0.2,
        "load_seconds_per_image": 0.1,
        "save_seconds_per_image": 0.3,
        "devices": ["cpu"],
        "versions": ["fake_node 1"],
    }


def test_report_and_status_list_notes(world: World) -> None:
    world.upload_frames("clip")
    document = Manifest.parse_input(world.storage.input.need("clip/manifest.json").data)
    noted = document.model_copy(update={"notes": ("the subtitles were left out",)})
    world.storage.input.write("clip/manifest.json", noted.dumps())
    run_id = world.fire_trigger(world.upload_trigger("clip", container="mov"))
    world.deliver_messages()
    assert world.status_document(run_id)["notes"] == ["the subtitles were left out"]
    world.finish(run_id)
    report = world.report(run_id)
    assert report["video"] == f"{run_id}/video.mov"
    assert report["notes"] == ["the subtitles were left out"]
    assert world.status_document(run_id)["notes"] == ["the subtitles were left out"]


def test_report_keeps_non_ascii_names(world: World) -> None:
    world.storage.triggers.write("größe?.json", b"{}")
    run_id = world.fire_trigger("größe?.json")
    data = world.storage.output.need(RunPaths(run_id).report).data
    assert "größe" in data.decode()
    assert json.loads(data)["name"] == "größe?"


MEASURES = tuple(name for name in SteadinessSums.model_fields if name != "pairs")


def receipt(
    *, sums: SteadinessSums | None = None, bad: tuple[BadFrame, ...] = (), contrast: float | None = None
) -> Receipt:
    return Receipt(
        run_id="a-0123456789",
        batch=0,
        start=0,
        end=2,
        plan_sha256="0" * 64,
        segment=StoredFile(name="s", size=1, sha256="0" * 64, etag="e"),
        log="l",
        task_id="b00000",
        device="cpu",
        times=TIMES,
        steadiness=sums,
        contrast=contrast,
        bad_frames=bad,
        finished_at="now",
    )


def sums(pairs: int, value: float) -> SteadinessSums:
    return SteadinessSums(pairs=pairs, **{name: value * (position + 1) for position, name in enumerate(MEASURES)})


def test_mean_steadiness_weights_by_pairs() -> None:
    summary = mean_steadiness([receipt(sums=sums(3, 0.9)), receipt(), receipt(sums=sums(1, 0.3))])
    assert summary is not None
    assert summary["pairs"] == 4
    assert [summary[name] for name in MEASURES] == pytest.approx(
        [0.3 * (position + 1) for position in range(len(MEASURES))]
    )


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 100)), min_size=1, max_size=8))
def test_mean_steadiness_is_between_batch_means(parts: list[tuple[int, float]]) -> None:
    summary = mean_steadiness([receipt(sums=sums(pairs, value * pairs)) for pairs, value in parts])
    assert summary is not None
    values = [value for _, value in parts]
    assert min(values) - 1e-5 <= summary["warp_error"] <= max(values) + 1e-5


def test_mean_steadiness_without_pairs_is_none() -> None:
    assert mean_steadiness([]) is None
    assert mean_steadiness([receipt(), receipt(sums=sums(0, 0))]) is None


def test_bad_frames_are_counted_and_listed() -> None:
    bad = [
        BadFrame(index=index, name=f"{index}.jpg", what="it is black", done="original" if index % 2 else "retried")
        for index in range(150, 0, -1)
    ]
    summary = summarize_bad_frames([receipt(bad=tuple(bad[:70])), receipt(bad=tuple(bad[70:]))])
    assert (summary["count"], summary["done"]) == (150, {"original": 75, "retried": 75})
    assert [frame["index"] for frame in summary["first"]] == list(range(1, 101))
    assert summarize_bad_frames([receipt()]) == {"count": 0, "done": {}, "first": []}


def test_report_has_steadiness_and_bad_frames(world: World) -> None:
    run_id = world.start("clip", 4)
    world.deliver_messages()
    world.score(run_id, message=False)
    plain = read_receipt(world.storage, run_id, 1)
    frame = BadFrame(index=3, name="000004.jpg", what="it is flat", done="previous")
    changed = plain.model_copy(update={"steadiness": sums(2, 0.5), "bad_frames": (frame,)})
    world.storage.runs.write(RunPaths(run_id).receipt(1), changed.dumps())
    assert world.finish(run_id) == "finished"
    report = world.report(run_id)
    assert report["steadiness"]["pairs"] == 2
    assert report["steadiness"]["warp_error"] == 0.25
    assert report["bad_frames"] == {"count": 1, "done": {"previous": 1}, "first": [frame.model_dump()]}


@pytest.mark.parametrize(("contrasts", "least"), [([], None), ([None], None), ([0.9, None, 0.2], 0.2)])
def test_least_contrast_is_of_measured_batches(contrasts: list[float | None], least: float | None) -> None:
    assert least_contrast([receipt(contrast=contrast) for contrast in contrasts]) == least


@pytest.mark.parametrize(("contrast", "payload"), [(0.98, []), (None, []), (0.138, ["0.5", "14%"])])
def test_note_says_that_calm_acted(contrast: float | None, payload: list[str]) -> None:
    notes = contrast_notes(contrast, 0.5)
    assert len(notes) == bool(payload)
    assert all(text in notes[0] for text in payload)
