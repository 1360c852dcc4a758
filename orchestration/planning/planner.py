"""The planner: validate what was uploaded for an accepted request, and write the plan once or reject the input."""

from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.batch_borders import planned_borders, spread_sample
from frame_tools.contracts.choices import FrameOrigin
from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import MAX_JSON_BYTES, Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, Request
from frame_tools.contracts.receipt import Receipt, SplitReceipt, receipt_mismatch
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.version import IMPASTO_VERSION
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import read_pins, store_pins
from frame_tools.storage.quarantine import quarantine
from frame_tools.storage.recorded_hashes import load_plan, record_hash
from orchestration.allowed_programs import plan_program
from orchestration.app import App, image_of_copy
from orchestration.memory_budget import plan_bytes
from orchestration.planning.frame_sequence import check_against_manifest
from orchestration.planning.input_pins import frames_are_complete, pin_frames, pin_sound, pin_source
from orchestration.planning.limits import check_limits
from orchestration.planning.masks import check_mask, pin_masks, plan_mask
from orchestration.planning.planned_options import planned_options
from orchestration.planning.styles import check_keyframes, plan_keyframes, plan_styles
from orchestration.planning.task_groups import plan_tasks
from orchestration.planning.uploaded_frames import derive_manifest, list_frames
from orchestration.planning.video_source import (
    check_borders,
    check_indexed,
    check_unchanged,
    need_video,
    read_index,
    video_of,
)
from orchestration.state import RunState

MAX_BATCHES: Final = 10_000
"""Maximum number of batches of one run; queue and Batch handle this many without problems."""
_UPLOAD_AGAIN: Final = "Upload it, then upload the trigger file again"


class DamagedSplitError(DamagedError):
    """The manifest that the task `split` wrote is missing or damaged: the video has to be split again."""


def write_plan(app: App, state: RunState) -> None:
    """Write the run's manifest and plan (the first writer wins).

    Raises InputError if the input is invalid, DamagedSplitError if the video has to be split again, and MissingError or
    DamagedError if the run from which this one was created can no longer be used.
    """
    with app.memory.hold(plan_bytes(app.settings.max_style_bytes)):
        plan = _make_plan(app, state)
    record_hash(app.storage, plan)
    app.storage.runs.create(RunPaths(state.run_id).plan, plan.dumps())


def _make_plan(app: App, state: RunState) -> Plan:
    """Return the plan of the run; raises what `write_plan` does."""
    request = state.request
    if state.split is not None:
        return _plan_split_video(app, request, state.split)
    if request.parent is not None and request.redo:
        return _plan_rerun(app, request)
    if request.parent is not None:
        return _plan_rerun_with_options(app, request)
    if request.trigger.index is not None:
        return _plan_indexed_video(app, request)
    return _plan_uploaded_frames(app, request)


def _plan_uploaded_frames(app: App, request: Request) -> Plan:
    """Plan a run whose frames were uploaded by a user."""
    storage, trigger = app.storage, request.trigger
    folder = f"{request.folder}/{trigger.frames_folder}/"
    listed = list_frames(storage, folder, app.settings.max_frames)
    sizes = {name: frame.size for name, frame in listed.items()}
    uploaded = storage.input.read(paths.input_blob(request.folder, "manifest.json"), limit=MAX_JSON_BYTES)
    if uploaded is not None:
        manifest = Manifest.parse_input(uploaded.data)
        check_against_manifest(sizes, manifest)
    else:
        manifest = derive_manifest(storage, request, folder, sizes)
    audio = _uploaded_audio(request, manifest)
    pins = tuple(listed[manifest.frame_name(index)].pin for index in range(manifest.frame_count))
    frames = BlobRef(container="input", name=folder)
    return _complete_plan(app, request, manifest=manifest, frames=frames, pins=pins, audio=audio)


def _uploaded_audio(request: Request, manifest: Manifest) -> BlobRef | None:
    """Return the audio file that was uploaded with a manifest, if that names one."""
    if manifest.audio_file is None:
        return None
    return BlobRef(container="input", name=paths.input_blob(request.folder, manifest.audio_file))


def _plan_indexed_video(app: App, request: Request) -> Plan:
    """Plan a run whose video was uploaded with its index."""
    manifest, video = read_index(app.storage, request), video_of(request)
    pins, audio = need_video(app.storage, video), _uploaded_audio(request, manifest)
    return _complete_plan(app, request, manifest=manifest, frames=video, pins=pins, audio=audio, source="video")


def _plan_split_video(app: App, request: Request, receipt: SplitReceipt) -> Plan:
    """Plan a run whose video was split, or only indexed, by the task `split`. Raises DamagedSplitError."""
    manifest = _read_split_manifest(app.storage, receipt)
    folder = RunPaths(request.run_id).split_folder
    audio = BlobRef(container="work", name=f"{folder}/{manifest.audio_file}") if manifest.audio_file else None
    if manifest.index is not None:
        video = video_of(request)
        pins = need_video(app.storage, video)
        return _complete_plan(app, request, manifest=manifest, frames=video, pins=pins, audio=audio, source="video")
    frames = BlobRef(container="work", name=f"{folder}/frames/")
    split_pins = pin_frames(app.storage, frames, manifest)
    if split_pins is None:
        raise DamagedSplitError("Frames of the split video are missing", "Wait: the video is split again")
    return _complete_plan(app, request, manifest=manifest, frames=frames, pins=split_pins, audio=audio)


def _read_split_manifest(storage: Storage, receipt: SplitReceipt) -> Manifest:
    """Return the manifest that the task `split` wrote. Raises DamagedSplitError."""
    blob = storage.runs.read(RunPaths(receipt.run_id).manifest)
    if blob is None or sha256_of(blob.data) != receipt.manifest_sha256:
        raise DamagedSplitError("The manifest of the split video is missing or damaged", "Wait: it is split again")
    return Manifest.load_stored(blob.data)


def _read_parent(storage: Storage, run_id: str) -> tuple[Plan, str, Manifest]:
    """Return plan, its SHA-256, and manifest of the run from which this one was created.

    Raises DamagedSplitError if frames or sound of its split are gone, MissingError, DamagedError or VersionSkewError if
    plan or manifest cannot be used.
    """
    plan, plan_sha256 = load_plan(storage, run_id)
    data = storage.runs.need(RunPaths(run_id).manifest).data
    if sha256_of(data) != plan.manifest_sha256:
        raise DamagedError(f"The manifest of the run {run_id} is not the planned one", "Start a new run")
    manifest = Manifest.load_stored(data)
    if plan.frames.container == paths.WORK and not frames_are_complete(storage, plan.frames, manifest):
        raise DamagedSplitError(f"Frames that the run {run_id} has split are gone", "Wait: the video is split again")
    if plan.audio is not None and plan.audio.container == paths.WORK and not storage.work.exists(plan.audio.name):
        raise DamagedSplitError(f"The sound that the run {run_id} has split is gone", "Wait: the video is split again")
    return plan, plan_sha256, manifest


def _plan_rerun(app: App, request: Request) -> Plan:
    """Plan a run that scores some batches of an earlier run again and reuses the others with their receipts.

    A batch whose receipt is gone or damaged is scored again, too. Raises MissingError or DamagedError if plan or
    manifest of the earlier run cannot be used.
    """
    storage, parent = app.storage, str(request.parent)
    plan, plan_sha256, _ = _read_parent(storage, parent)
    storage.runs.create(RunPaths(request.run_id).manifest, storage.runs.need(RunPaths(parent).manifest).data)
    kept = _copy_receipts(storage, request, plan, plan_sha256)
    if (pins := read_pins(storage.runs, plan)) is not None:
        store_pins(storage.runs, pins.model_copy(update={"run_id": request.run_id}))
    return plan.model_copy(
        update={
            "run_id": request.run_id,
            "correlation_id": request.correlation_id,
            "node_image": image_of_copy(app, plan),
            "parent": parent,
            "redo": tuple(batch for batch in range(plan.batch_count) if batch not in kept),
            "kept_receipts": kept,
        }
    )


def _copy_receipts(storage: Storage, request: Request, plan: Plan, plan_sha256: str) -> dict[int, str]:
    """Copy the receipts of the batches that are kept; return the SHA-256 of each.

    `plan` is that of the earlier run. A batch whose receipt there is gone, damaged or about something else is not kept.
    """
    parent = RunPaths(plan.run_id)
    kept: dict[int, str] = {}
    for batch in set(range(plan.batch_count)).difference(request.redo):
        blob = storage.runs.read(parent.receipt(batch))
        if blob is not None and proves_batch(blob.data, batch, plan, plan_sha256):
            storage.runs.create(RunPaths(request.run_id).receipt(batch), blob.data)
            kept[batch] = sha256_of(blob.data)
    return kept


def proves_batch(data: bytes, batch: int, plan: Plan, plan_sha256: str) -> bool:
    """Return whether the data are a receipt that proves a batch of the plan."""
    try:
        receipt = Receipt.load_stored(data)
    except DamagedError:
        return False
    digest = sha256_of(data)
    return receipt_mismatch(receipt, sha256=digest, batch=batch, plan=plan, plan_sha256=plan_sha256) is None


def _plan_rerun_with_options(app: App, request: Request) -> Plan:
    """Plan a run over all of an earlier run's input with other options."""
    earlier, _, manifest = _read_parent(app.storage, str(request.parent))
    pins = pin_source(app.storage, earlier, manifest)
    if pins is None:
        what = "The video" if earlier.source == "video" else "Frames"
        raise InputError(f"{what} of the earlier run is missing", "Upload the input and the trigger file again")
    if earlier.source == "video":
        check_unchanged(app.storage, earlier, pins)
    return _complete_plan(
        app, request, manifest=manifest, frames=earlier.frames, pins=pins, audio=earlier.audio, earlier=earlier,
        source=earlier.source,
    )  # fmt: skip


def _complete_plan(
    app: App,
    request: Request,
    *,
    manifest: Manifest,
    frames: BlobRef,
    pins: tuple[str, ...],
    audio: BlobRef | None,
    earlier: Plan | None = None,
    source: FrameOrigin = "frames",
) -> Plan:
    trigger, spec = request.trigger, SCORERS[request.trigger.scorer]
    program, makes = plan_program(trigger, app.settings.allowed_programs, app.storage.scripts)
    check_limits(manifest, app.settings, scale=1 if program is None else program.scale)
    manifest = manifest.with_container(request.trigger.container)
    manifest, data = _store_manifest(app.storage, request.run_id, manifest)
    sound = pin_sound(app.storage, audio)
    check_keyframes(trigger, manifest)
    mask = plan_mask(app, request, manifest, makes)
    styles = plan_styles(app, request, earlier=earlier)
    borders = planned_borders(trigger, manifest.frame_count, manifest.cuts)
    if len(borders) - 1 > MAX_BATCHES:
        raise InputError(
            f"The run would have {len(borders) - 1} batches; at most {MAX_BATCHES} are allowed",
            "Raise frames_per_batch in the trigger file",
        )
    if source == "video":
        check_indexed(manifest, frames, pins)
        check_borders(manifest, borders)
    options = planned_options(request, earlier, source)
    inputs = InputPins(run_id=request.run_id, frames=pins, masks=pin_masks(app.storage, mask, manifest), audio=sound)
    store_pins(app.storage.runs, inputs)
    return Plan(
        run_id=request.run_id,
        name=request.name,
        correlation_id=request.correlation_id,
        options=options,
        makes=makes,
        borders=borders,
        task_borders=plan_tasks(app, request.run_id, manifest, options, batches=len(borders) - 1),
        manifest_sha256=sha256_of(data),
        source=source,
        frames=frames,
        audio=audio,
        inputs_sha256=inputs.digest,
        styles=styles,
        key_styles=plan_keyframes(trigger, styles),
        mask=mask,
        program=program,
        sample=spread_sample(manifest.frame_count),
        weights_sha256=spec.weights_sha256,
        container=manifest.container,
        node_image=app.settings.node_image,
        versions={"impasto": IMPASTO_VERSION},
    )


def _store_manifest(storage: Storage, run_id: str, manifest: Manifest) -> tuple[Manifest, bytes]:
    """Store the run's manifest unless an intact one is there; return the stored one, and its bytes.

    An earlier call may have died after it stored the manifest, which is kept, so that plan and manifest match.
    """
    name = RunPaths(run_id).manifest
    storage.runs.create(name, manifest.dumps())
    blob = storage.runs.need(name)
    try:
        return Manifest.load_stored(blob.data), blob.data
    except DamagedError:
        quarantine(storage.runs, run_id, name, etag=blob.etag)
        storage.runs.create(name, manifest.dumps())
        return manifest, manifest.dumps()


def check_before_split(app: App, request: Request) -> None:
    """Raise InputError if the video, program, mask or a style is missing, before a node is paid to split the video."""
    video = paths.input_blob(request.folder, str(request.trigger.video))
    if not app.storage.input.exists(video):
        raise InputError(f"The video input/{video} does not exist", _UPLOAD_AGAIN)
    _, makes = plan_program(request.trigger, app.settings.allowed_programs, app.storage.scripts)
    check_mask(app, request, makes)
    with app.memory.hold(plan_bytes(app.settings.max_style_bytes)):
        plan_styles(app, request)
