"""Requests and plans that the app has not made are not believed, wherever they are read."""

import pytest

from frame_tools.assembly import DamagedPlanError, assemble_output
from frame_tools.contracts.errors import DamagedError, ErrorCode, NextStep
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.storage.receipts import read_receipts
from frame_tools.storage.recorded_hashes import load_plan, load_request, record_hash
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from orchestration.runs.advance import advance
from orchestration.runs.scheduling import ensure_tasks
from tests.support.fake_node import forget_hashes, read_plan
from tests.support.world import World, message

CHANGES = {
    "options": {"options": Options(scorer="copy", strength=0.25)},
    "borders": {"borders": (0, 6)},
    "image": {"node_image": "somebody/else:1"},
}


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches whose tasks have been created."""
    run_id = world.start("clip")
    world.deliver_messages()
    return run_id


def rewrite_plan(world: World, run_id: str, **changes: object) -> Plan:
    """Write another plan as a node with more rights than it should have could; return the planned one."""
    planned = read_plan(world.storage, run_id)
    world.storage.runs.write(RunPaths(run_id).plan, planned.model_copy(update=changes).dumps())
    return planned


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_rewritten_plan_is_made_again(world: World, run_id: str, changes: dict[str, object]) -> None:
    planned = rewrite_plan(world, run_id, **changes)
    sweep(world.app)
    assert read_plan(world.storage, run_id) == planned
    assert world.finish(run_id) == "finished"


def test_rewritten_plan_is_not_joined_with_receipts_that_fit_it(world: World, run_id: str) -> None:
    rewrite_plan(world, run_id, borders=(0, 6))
    world.score(run_id, 0, message=False)
    advance(world.app, run_id)
    assert world.status(run_id) == "scoring"
    assert world.finish(run_id) == "scoring", "the receipt for the other plan is set aside when the run is joined"
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 6
    assert len(read_receipts(world.storage, *load_plan(world.storage, run_id))) == 3


def test_tasks_are_not_created_for_a_rewritten_plan(world: World) -> None:
    run_id = world.start("clip")
    rewrite_plan(world, run_id, node_image="somebody/else:1")
    with pytest.raises(DamagedError):
        ensure_tasks(world.app, run_id, [0])
    submit_batch(world.app, message(run_id, 0))
    assert not world.tasks(run_id)
    assert read_plan(world.storage, run_id).node_image == "stub:1"


def test_joiner_does_not_use_a_rewritten_plan(world: World, run_id: str) -> None:
    world.score(run_id, message=False)
    rewrite_plan(world, run_id, container="mkv")
    with pytest.raises(DamagedPlanError):
        assemble_output(world.storage, run_id)
    assert not list(world.storage.output.list(run_id))


def test_child_run_is_not_planned_from_a_rewritten_plan(world: World, run_id: str) -> None:
    world.score(run_id)
    world.deliver_messages()
    child = resubmit(world.changed(max_open_runs=1).app, run_id, [1])
    world.storage.runs.delete(RunPaths(child).plan)
    rewrite_plan(world, run_id, container="mkv")
    advance(world.app, child)
    outcome = world.outcome(child)
    assert (outcome.code, outcome.next_step) == (ErrorCode.DAMAGED_DATA, NextStep.START_NEW_RUN)


def test_rewritten_request_ends_its_run(world: World, run_id: str) -> None:
    request = load_request(world.storage, run_id)
    changed = request.model_copy(update={"folder": "other"})
    world.storage.runs.write(RunPaths(run_id).request, changed.dumps())
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert (outcome.code, outcome.next_step) == (ErrorCode.DAMAGED_DATA, NextStep.START_NEW_RUN)


def test_plan_of_a_recorded_run_needs_a_record(world: World, run_id: str) -> None:
    """A plan in the form of an earlier version does not get around the comparison."""
    for item in list(world.storage.hashes.list(f"{run_id}/plan-")):
        world.storage.hashes.delete(item.name)
    with pytest.raises(DamagedError):
        load_plan(world.storage, run_id)


def test_run_of_an_earlier_version_goes_on(world: World, run_id: str) -> None:
    forget_hashes(world.storage, run_id)
    rewrite_plan(world, run_id, versions={"impasto": "0.0.1"})
    assert world.finish(run_id) == "finished"


def test_plan_that_is_recorded_while_the_state_is_read_is_accepted(world: World, run_id: str) -> None:
    """A resubmission replaces the plan between the reading of the hashes and that of the plan."""
    plan = read_plan(world.storage, run_id).model_copy(update={"versions": {"impasto": "new"}})

    def replace_first(original, name: str, **options: object):
        if name == RunPaths(run_id).plan:
            record_hash(world.storage, plan)
            world.storage.runs.write(name, plan.dumps())
        return original(name, **options)

    advance(world.intercepted("runs", read=replace_first).app, run_id)
    assert read_plan(world.storage, run_id) == plan
    assert not any(name.startswith("damaged/") for name in world.runs_blobs(run_id))


def test_app_records_what_it_makes(world: World, run_id: str) -> None:
    names = {item.name.removeprefix(f"{run_id}/").split("-")[0] for item in world.storage.hashes.list(f"{run_id}/")}
    assert names == {"request", "plan"}
    assert isinstance(load_request(world.storage, run_id), Request)
