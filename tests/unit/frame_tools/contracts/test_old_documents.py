"""Documents that Impasto wrote at commit e710174 (before documents recorded their writer) are still read.

The files in `old_documents` are what the code at that commit wrote; they are never edited.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.plan import Plan, Request
from frame_tools.contracts.receipt import Failure, Outcome, Receipt, SplitReceipt, TaskError
from frame_tools.contracts.trigger import parse_trigger

OLD = Path(__file__).parent / "old_documents"
DOCUMENTS: dict[str, type[StoredDocument]] = {
    "request_v1": Request,
    "plan_v2": Plan,
    "plan_program_v2": Plan,
    "plan_look_v2": Plan,
    "receipt_v2": Receipt,
    "split_receipt_v1": SplitReceipt,
    "failure_v1": Failure,
    "task_error_v1": TaskError,
    "outcome_v1": Outcome,
    "manifest_v1": Manifest,
}


def old(name: str) -> bytes:
    return (OLD / f"{name}.json").read_bytes()


def test_every_old_document_is_tested() -> None:
    tested = {
        *DOCUMENTS,
        "trigger_v1",
        "pool_check_v1",
        "message_3_v1",
        "message_split_v1",
        "message_join_v1",
        "message_look_v1",
        "plan_v3",
        "plan_v4",
        "plan_v5",
        "plan_v6",
        "request_v4",
        "manifest_v3",
        "plan_video_only_v5",
        "request_v2",
        "request_video_v4",
        "outcome_v2",
    }
    assert {path.stem for path in OLD.iterdir()} == tested


@pytest.mark.parametrize("name", DOCUMENTS)
def test_old_document_is_read(name: str) -> None:
    document = DOCUMENTS[name].load_stored(old(name))
    assert document.impasto_version == ""
    assert document.model_dump()["version"] == json.loads(old(name))["version"]
    assert DOCUMENTS[name].load_stored(document.dumps()).model_dump(exclude=VERSIONS) == document.model_dump(
        exclude=VERSIONS
    )


VERSIONS = {"version", "impasto_version"}


def test_old_plan_has_no_node_image() -> None:
    assert Plan.load_stored(old("plan_v2")).node_image == ""


def test_old_errors_have_no_code() -> None:
    loaded: list[Any] = [
        Failure.load_stored(old("failure_v1")),
        TaskError.load_stored(old("task_error_v1")),
        Outcome.load_stored(old("outcome_v1")),
    ]
    assert [(document.code, document.next_step) for document in loaded] == [(None, None)] * 3


@pytest.mark.parametrize("step", ["3", "split", "join", "look"])
def test_old_message_is_read(step: str) -> None:
    message = BatchMessage.parse(old(f"message_{step}_v1").decode())
    assert (message.v, message.run_id) == (1, "holiday-0123456789")
    assert str(message.batch) == {"look": "advance"}.get(step, step)


def test_old_options_and_scorers_have_their_new_names() -> None:
    trigger = parse_trigger(old("trigger_v1"))
    assert (trigger.odd_size, trigger.keep_location, trigger.temporal_smoothing) == ("pad", True, 0.5)
    assert Request.load_stored(old("request_v1")).trigger == trigger
    options = Plan.load_stored(old("plan_v2")).options
    assert (options.odd_size, options.temporal_smoothing) == ("pad", 0.5)
    assert Plan.load_stored(old("plan_look_v2")).options.scorer == "describe"


@pytest.mark.parametrize(
    ("fields", "name"), [({"even": "pad", "odd_size": "pad"}, "odd_size"), ({"steady": 2}, "temporal_smoothing")]
)
def test_error_in_a_renamed_option_names_the_new_one(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(InputError, match=name):
        parse_trigger(json.dumps({"scorer": "copy"} | fields).encode())


def test_documents_before_pins_are_read() -> None:
    """Written by the last commit before plans had pins and outcomes named the ETag of their product."""
    plan, outcome = Plan.load_stored(old("plan_v3")), Outcome.load_stored(old("outcome_v2"))
    assert (plan.version, plan.inputs_sha256, plan.kept_receipts) == (3, None, {})
    assert (outcome.version, outcome.status, outcome.product_etag) == (2, "finished", None)


def test_style_scale_of_old_documents_is_read_as_strokes() -> None:
    """Written by the last commit before the option `strokes`, which has a default."""
    plan, request = Plan.load_stored(old("plan_v4")), Request.load_stored(old("request_v2"))
    assert (plan.version, plan.options.strokes) == (4, 2)
    assert (request.version, request.trigger.strokes) == (2, 2)


def test_program_of_an_old_plan_is_called_as_before() -> None:
    """Written by the last commit before programs had files, a scale, frames per call and a precision."""
    plan = Plan.load_stored(old("plan_v5"))
    assert plan.program is not None
    assert (plan.version, plan.scale, plan.program.files, plan.program.frames_per_call) == (5, 1, {}, None)
    assert plan.program.precision == "float32"


def test_old_plan_without_strokes_keeps_the_size_of_the_video() -> None:
    assert Plan.load_stored(old("plan_v3")).options.strokes is None


def test_plan_before_videos_were_decoded_by_tasks_reads_frames() -> None:
    """Written by the last commit before plans had a source and manifests an index."""
    plan, manifest = Plan.load_stored(old("plan_video_only_v5")), Manifest.load_stored(old("manifest_v3"))
    assert (plan.version, plan.source, plan.frames.name) == (5, "frames", "holiday/frames/")
    assert (manifest.version, manifest.index, manifest.cuts) == (3, None, (96,))


def test_video_of_old_requests_is_split_into_frames() -> None:
    """Written by the last commit before the default of `source` was video where one is given."""
    request = Request.load_stored(old("request_video_v4"))
    assert (request.trigger.video, request.trigger.source, request.trigger.reads_video) == (
        "holiday.mp4",
        "frames",
        False,
    )
    fields = json.loads(old("request_video_v4"))
    del fields["trigger"]["source"]  # as in requests of earlier versions
    assert not Request.load_stored(json.dumps(fields)).trigger.reads_video


@pytest.mark.parametrize(("name", "stores_frames"), [("plan_v4", True), ("plan_video_only_v5", False)])
def test_video_only_of_old_plans_is_read_as_keep_frames(name: str, stores_frames: bool) -> None:
    written = json.loads(old(name))["options"]["video_only"]
    options = Plan.load_stored(old(name)).options
    assert (written, options.stores_frames) == (not stores_frames, stores_frames)


def test_runs_before_tuning_are_not_tuned() -> None:
    """Written by the last commit before the option `tune`."""
    plan, request = Plan.load_stored(old("plan_v6")), Request.load_stored(old("request_v4"))
    assert (plan.version, plan.options.tune, plan.tuned_paintings) == (6, False, 0)
    assert (request.version, request.trigger.tune) == (4, False)
