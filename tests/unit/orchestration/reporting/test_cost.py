"""Expected and actual cost of a run."""

import datetime as dt
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import BlobRef, Plan, PlannedKeyframe, PlannedStyle
from frame_tools.contracts.receipt import Receipt, StoredFile, TaskTimes
from frame_tools.costs import model
from frame_tools.costs.prices import Prices
from frame_tools.costs.throughput import tuning_seconds
from orchestration.handlers.resubmit import resubmit
from orchestration.preflight import PoolCheck
from orchestration.reporting.cost import actual_cost, expected_cost, peak_concurrency
from scoring.tasks.base import Task
from tests.support.world import World

PRICED = PoolCheck(checked_at="", vm_size="standard_nc4as_t4_v3")
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
FILE = StoredFile(name="x", size=1, sha256="0" * 64, etag="e")


def plan(batches: int, *, redo: tuple[int, ...] = (), parent: str | None = None) -> Plan:
    return Plan(
        run_id="clip-0123456789", name="clip", correlation_id="clip-0123456789", options=Options(scorer="copy"),
        borders=tuple(range(0, 10 * batches + 1, 10)), manifest_sha256="0" * 64,
        frames=BlobRef(container="input", name="clip/frames/"), container="mp4", parent=parent, redo=redo,
    )  # fmt: skip


def receipt(batch: int, seconds: float, *, end_s: float = 0.0, dedicated: bool | None = None) -> Receipt:
    return Receipt(
        run_id="clip-0123456789", batch=batch, start=10 * batch, end=10 * batch + 10, plan_sha256="0" * 64,
        frames=(FILE,), segment=FILE, log="log", task_id=f"b{batch}", device="cpu", dedicated=dedicated,
        times=TaskTimes(start_up=1, load=1, infer=1, save=1, total=seconds),
        finished_at=(NOON + dt.timedelta(seconds=end_s)).isoformat(),
    )  # fmt: skip


def test_actual_cost_prices_spot_and_dedicated_separately() -> None:
    prices = Prices(vm_hour_usd={"standard_nc4as_t4_v3": 3.6}, spot_factor=0.5)
    receipts = [receipt(0, 100, end_s=100, dedicated=True), receipt(1, 60, end_s=200, dedicated=False)]
    cost = actual_cost(plan(2), receipts, PRICED, prices)
    assert cost["usd"]["tasks"] == pytest.approx(0.001 * 100 + 0.0005 * 60)
    assert (cost["task_seconds"], cost["task_seconds_on_spot"], cost["nodes_at_once"]) == (160, 60, 1)
    assert cost["idle_node_seconds_estimated"] == model.BOOT_SECONDS + model.RELEASE_SECONDS
    assert cost["usd"]["total"] == pytest.approx(sum(v for k, v in cost["usd"].items() if k != "total"), abs=1e-3)


def test_actual_cost_excludes_reused_batches() -> None:
    cost = actual_cost(plan(3, redo=(2,), parent="old"), [receipt(b, 100) for b in range(3)], PRICED, Prices())
    assert cost["task_seconds"] == 100


def test_expected_cost_is_unknown_without_throughput() -> None:
    manifest = Manifest.plain(20, Fraction(25), width=640, height=360)
    supported, slow = plan(2), plan(2).model_copy(update={"options": Options(scorer="gatys")})
    assert expected_cost(supported, manifest, PRICED, Prices())["usd"]["spot"] > 0
    cost = expected_cost(slow, manifest, PRICED, Prices())
    assert (cost["wall_seconds"], cost["usd"]) == (None, {"spot": None, "dedicated": None})
    assert "gatys" in cost["pace"]


def test_actual_cost_divides_by_task_slots() -> None:
    two = PRICED.model_copy(update={"slots": 2})
    receipts = [receipt(b, 100) for b in range(4)]
    alone, shared = (actual_cost(plan(4), receipts, check, Prices()) for check in (PRICED, two))
    assert (alone["nodes_at_once"], shared["nodes_at_once"]) == (4, 2)
    assert shared["usd"]["tasks"] == pytest.approx(alone["usd"]["tasks"] / 2, abs=1e-4)


def test_actual_cost_without_price_has_seconds_only() -> None:
    for check in (None, PRICED.model_copy(update={"vm_size": "local"})):
        cost = actual_cost(plan(1), [receipt(0, 5)], check, Prices())
        assert (cost["task_seconds"], cost["usd"]) == (5, None)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), max_size=12))
def test_peak_concurrency_counts_overlapping_tasks(spans: list[tuple[int, int]]) -> None:
    receipts = [receipt(i, length, end_s=start + length) for i, (start, length) in enumerate(spans)]
    seconds = range(160)
    most = max(sum(start <= s < start + length for start, length in spans) for s in seconds)
    assert peak_concurrency(receipts) == most


@pytest.mark.parametrize(("check", "device"), [(PRICED, "gpu"), (PoolCheck(checked_at="", vm_size="local"), "cpu")])
def test_expected_cost_contains_the_tuning_of_each_painting(check: PoolCheck, device: str) -> None:
    manifest = Manifest.plain(20, Fraction(25), width=640, height=360)
    styles = [
        PlannedStyle(name=kind, blob=BlobRef(container="work", name=kind), sha256="0" * 64, kind=kind)
        for kind in ("painting", "tuned")
    ]
    keys = (PlannedKeyframe(at=0, weights=(0.5, 0.5)),)
    plain, tuned = (
        plan(2).model_copy(update={"options": Options(tune=tune), "styles": tuple(styles), "key_styles": keys})
        for tune in (False, True)
    )
    costs = [expected_cost(each, manifest, check, Prices()) for each in (plain, tuned)]
    assert costs[1]["wall_seconds"] - costs[0]["wall_seconds"] == tuning_seconds(device, 1)


def test_expected_cost_counts_scored_batches_only() -> None:
    manifest = Manifest.plain(30, Fraction(25), width=1920, height=1080, source="clip.mp4")
    whole, part = (expected_cost(p, manifest, PRICED, Prices()) for p in (plan(3), plan(3, redo=(1,), parent="old")))
    assert 0 < part["usd"]["spot"] < whole["usd"]["spot"] < whole["usd"]["dedicated"]
    assert "guess" in whole["pace"]
    assert expected_cost(plan(3), manifest, None, Prices())["usd"] == {"spot": None, "dedicated": None}


@pytest.mark.parametrize(("setting", "dedicated"), [("true", True), ("False", False), ("", None)])
def test_task_reads_node_kind_from_environment(setting: str, dedicated: bool | None) -> None:
    environ = {f"{account}__{what}ServiceUri": "https://x" for account in ("DATA", "OPS") for what in ("blob", "queue")}
    task = Task.from_environment(environ | {"AZ_BATCH_NODE_IS_DEDICATED": setting}, "clip-0123456789", 0)
    assert task.dedicated is dedicated


def test_rerun_has_its_own_cost(world: World) -> None:
    old = world.start("clip")
    world.finish(old)
    new = resubmit(world.app, old, [1])
    world.deliver_messages()
    world.score(new, 1)
    world.deliver_messages()
    assert world.status(new) == "finished"
    assert world.report(new)["cost"]["task_seconds"] == pytest.approx(world.report(old)["cost"]["task_seconds"] / 3)
