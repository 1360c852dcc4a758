"""Minutes and dollars before an upload."""

from dataclasses import replace

import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import Options
from frame_tools.costs.throughput import tuning_seconds
from orchestration.reporting.clip_estimate import Clip
from orchestration.web.estimate import estimate
from tests.support.memory_world import InMemoryCloud
from tests.unit.orchestration.web.conftest import Fetch

CLIP = {"frames": ["248"], "width": ["640"], "height": ["360"], "paintings": ["1"]}


def test_local_estimate_costs_nothing() -> None:
    app = InMemoryCloud().world().app
    result = estimate(app, CLIP)
    assert (result.frames, result.cost, result.button) == ("248 frames", "on this computer", "Paint 248 frames")
    times = [estimate(app, CLIP | {"strokes": [strokes]}).time for strokes in ("broad", "medium", "fine")]
    assert sorted(set(times)) == times
    assert result.time == times[1]


def test_estimate_in_azure_has_dollars_and_the_wait_for_a_gpu(monkeypatch) -> None:
    app = InMemoryCloud().world(batch_endpoint="https://a.westeurope.batch.azure.com").app
    pool = app.batch.pool()
    assert pool is not None
    monkeypatch.setattr(type(app.batch), "pool", lambda _: replace(pool, vm_size="Standard_NC4as_T4_v3"))
    result = estimate(app, CLIP)
    assert result.cost.startswith("$")
    assert result.hint
    several = estimate(app, CLIP | {"paintings": ["3"], "exact": ["0"]})
    assert several.frames == "about 3 runs, 744 frames"


def test_estimate_contains_the_tuning() -> None:
    app = InMemoryCloud().world().app
    plain, tuned, both = (
        estimate(app, CLIP | {"tune": [tune], "paintings": [count]}).time
        for tune, count in (("", "1"), ("1", "1"), ("1", "2"))
    )
    plain_seconds, tuned_seconds, both_seconds = map(_seconds, (plain, tuned, both))
    assert tuned_seconds - plain_seconds == round(tuning_seconds("cpu", 1))
    assert both_seconds == pytest.approx(2 * tuned_seconds, abs=1)


def test_local_runs_of_one_painting_tune_once() -> None:
    app, clip = InMemoryCloud().world().app, CLIP | {"strokes": ["broad", "medium", "fine"], "paintings": ["2"]}
    plain, tuned = (_seconds(estimate(app, clip | {"tune": [tune]}).time) for tune in ("", "1"))
    assert tuned - plain == round(tuning_seconds("cpu", 2))


def _seconds(text: str) -> int:
    minutes, seconds = text.removeprefix("about ").split(":")
    return 60 * int(minutes) + int(seconds)


def test_estimate_counts_no_stored_frames() -> None:
    clip = Clip(frames=248, width=640, height=360, options=Options(scorer="copy"))
    assert clip.work(InMemoryCloud().world().app, "gpu").blobs_per_frame == 0


@pytest.mark.parametrize(
    ("name", "value"), [("frames", "0"), ("frames", "x"), ("width", "9999999"), ("height", ""), ("strokes", "x")]
)
def test_values_are_checked(name: str, value: str, fetch: Fetch) -> None:
    with pytest.raises(InputError, match=name):
        estimate(InMemoryCloud().world().app, CLIP | {name: [value]})
    query = "&".join(f"{key}={values[0]}" for key, values in (CLIP | {name: [value]}).items())
    assert fetch("ui_part", part="estimate", query=query).status_code == 400
