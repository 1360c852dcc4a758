"""The planner: validate what was uploaded for an accepted request, and write the plan once or reject the input."""

from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.choices import MAX_FRAME_BYTES
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import MAX_JSON_BYTES, Manifest
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, Request, borders_near_cuts, spread_sample
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.trigger import Trigger
from frame_tools.contracts.version import IMPASTO_VERSION
from frame_tools.media import images
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import Storage
from orchestration.allowed_programs import plan_program
from orchestration.app import App, node_image
from orchestration.planning.frame_sequence import check_against_manifest, number_frames
from orchestration.planning.masks import check_mask, plan_mask
from orchestration.planning.styles import check_keyframes, plan_keyframes, plan_styles
from orchestration.settings import Settings
from orchestration.state import RunState

MAX_BATCHES: Final = 10_000
"""Maximum number of batches of one run; queue and Batch handle this many without problems."""
_UPLOAD_AGAIN: Final = "Upload it, then upload the trigger file again"


def write_plan(app: App, state: RunState) -> None:
    """Write the run's manifest and plan (the first writer wins). Raises InputError if the input is invalid."""
    request = state.request
    if request.parent is not None and request.redo:
        plan = _plan_rerun(app, request)
    elif request.parent is not None:
        plan = _plan_rerun_with_options(app, request)
    elif state.split is not None:
        plan = _plan_split_video(app, request)
    else:
        plan = _plan_uploaded_frames(app, request)
    app.storage.runs.create(RunPaths(request.run_id).plan, plan.dumps())


def _plan_uploaded_frames(app: App, request: Request) -> Plan:
    """Plan a run whose frames were uploaded by a user."""
    storage, trigger = app.storage, request.trigger
    folder = f"{request.folder}/{trigger.frames_folder}/"
    sizes = _frame_sizes(storage, folder, app.settings.max_frames)
    uploaded = storage.input.read(paths.input_blob(request.folder, "manifest.json"), limit=MAX_JSON_BYTES)
    if uploaded is not None:
        manifest = Manifest.parse_input(uploaded.data)
        check_against_manifest(sizes, manifest)
    else:
        manifest = _derive_manifest(storage, request, folder, sizes)
    audio = (
        BlobRef(container="input", name=paths.input_blob(request.folder, manifest.audio_file))
        if manifest.audio_file
        else None
    )
    return _complete_plan(app, request, manifest=manifest, frames=BlobRef(container="input", name=folder), audio=audio)


def _plan_split_video(app: App, request: Request) -> Plan:
    """Plan a run whose video was split by the task `split`."""
    manifest = Manifest.load_stored(app.storage.runs.need(RunPaths(request.run_id).manifest).data)
    folder = RunPaths(request.run_id).split_folder
    audio = BlobRef(container="work", name=f"{folder}/{manifest.audio_file}") if manifest.audio_file else None
    return _complete_plan(
        app, request, manifest=manifest, frames=BlobRef(container="work", name=f"{folder}/frames/"), audio=audio
    )


def _plan_rerun(app: App, request: Request) -> Plan:
    """Plan a run that scores some batches of an earlier run again and reuses the others with their receipts."""
    storage, parent = app.storage, str(request.parent)
    plan = Plan.load_stored(storage.runs.need(RunPaths(parent).plan).data)
    storage.runs.create(RunPaths(request.run_id).manifest, storage.runs.need(RunPaths(parent).manifest).data)
    for batch in set(range(plan.batch_count)).difference(request.redo):
        receipt = storage.runs.need(RunPaths(parent).receipt(batch))
        storage.runs.create(RunPaths(request.run_id).receipt(batch), receipt.data)
    return plan.model_copy(
        update={
            "run_id": request.run_id,
            "correlation_id": request.correlation_id,
            "node_image": node_image(app, plan),
            "parent": parent,
            "redo": request.redo,
        }
    )


def _plan_rerun_with_options(app: App, request: Request) -> Plan:
    """Plan a run over all of an earlier run's input with other options."""
    earlier = Plan.load_stored(app.storage.runs.need(RunPaths(str(request.parent)).plan).data)
    manifest = Manifest.load_stored(app.storage.runs.need(RunPaths(str(request.parent)).manifest).data)
    return _complete_plan(app, request, manifest=manifest, frames=earlier.frames, audio=earlier.audio, earlier=earlier)


def _complete_plan(
    app: App,
    request: Request,
    *,
    manifest: Manifest,
    frames: BlobRef,
    audio: BlobRef | None,
    earlier: Plan | None = None,
) -> Plan:
    check_limits(manifest, app.settings)
    manifest = manifest.with_container(request.trigger.container)
    # An earlier call may have died after this write: its manifest is kept, so that plan and manifest always match.
    app.storage.runs.create(RunPaths(request.run_id).manifest, manifest.dumps())
    data = app.storage.runs.need(RunPaths(request.run_id).manifest).data
    manifest = Manifest.load_stored(data)
    if audio is not None and not app.storage.data_container(audio.container).exists(audio.name):
        raise InputError(f"The audio file {audio.name!r} of the manifest does not exist", _UPLOAD_AGAIN)
    trigger, spec = request.trigger, SCORERS[request.trigger.scorer]
    program, makes = plan_program(trigger, app.settings.programs)
    check_keyframes(trigger, manifest)
    mask = plan_mask(app, request, manifest, makes)
    styles = plan_styles(app, request, earlier=earlier)
    per_batch = trigger.frames_per_batch or spec.frames_per_batch
    borders = borders_near_cuts(manifest.frame_count, per_batch, manifest.cuts)
    if len(borders) - 1 > MAX_BATCHES:
        raise InputError(
            f"The run would have {len(borders) - 1} batches; at most {MAX_BATCHES} are allowed",
            "Raise frames_per_batch in the trigger file",
        )
    return Plan(
        run_id=request.run_id,
        name=request.name,
        correlation_id=request.correlation_id,
        options=_options(trigger),
        makes=makes,
        borders=borders,
        manifest_sha256=sha256_of(data),
        frames=frames,
        audio=audio,
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


def _options(trigger: Trigger) -> Options:
    """Return the options with an explicit `temporal_smoothing`: a later default must not change an open run."""
    options = Options(**{name: getattr(trigger, name) for name in Options.model_fields})
    return options.model_copy(update={"temporal_smoothing": options.smoothing_weight})


def check_limits(manifest: Manifest, settings: Settings) -> None:
    """Raise InputError if the run exceeds a limit of this deployment."""
    if manifest.frame_count > settings.max_frames:
        raise InputError(
            f"The video has {manifest.frame_count} frames; at most {settings.max_frames} are allowed",
            "Cut it into parts, or raise MAX_FRAMES",
        )
    if manifest.width * manifest.height > settings.max_frame_pixels:
        raise InputError(
            f"Frames of {manifest.width}x{manifest.height} exceed the limit of {settings.max_frame_pixels} pixels",
            "Scale the video down, or raise MAX_FRAME_PIXELS",
        )


def check_before_split(app: App, request: Request) -> None:
    """Raise InputError if the video, program, mask or a style is missing, before a node is paid to split the video."""
    video = paths.input_blob(request.folder, str(request.trigger.video))
    if not app.storage.input.exists(video):
        raise InputError(f"The video input/{video} does not exist", _UPLOAD_AGAIN)
    _, makes = plan_program(request.trigger, app.settings.programs)
    check_mask(app, request, makes)
    plan_styles(app, request)


def image_size(data: bytes, what: str) -> tuple[int, int]:
    """Return width and height of an image in pixels. Raises InputError that names it as `what`."""
    try:
        return images.image_size(data)
    except InputError as error:
        raise InputError(f"The {what} is invalid: {error.what}", error.remedy) from error


def _frame_sizes(storage: Storage, folder: str, max_frames: int) -> dict[str, int]:
    """Return file name → bytes of the blobs directly in the folder. Raises InputError if there are clearly too many."""
    sizes: dict[str, int] = {}
    for item in storage.input.list(folder):
        name = item.name.removeprefix(folder)
        if "/" not in name:
            sizes[name] = item.size
            if len(sizes) > max_frames + 1000:
                raise InputError(
                    f"There are more than {max_frames} frames", "Cut the video into parts, or raise MAX_FRAMES"
                )
        if item.size > MAX_FRAME_BYTES:
            raise InputError(
                f"The frame {name!r} has {item.size} bytes; at most {MAX_FRAME_BYTES} are allowed",
                "Store frames as JPEG or PNG",
            )
    return sizes


def _derive_manifest(storage: Storage, request: Request, folder: str, sizes: dict[str, int]) -> Manifest:
    """Return a manifest for frames without one: numbering from their names, size of the first, rate of the trigger."""
    numbering = number_frames(sizes)
    if request.trigger.rate is None:
        raise InputError(
            "There is no manifest.json beside the frames and the trigger file has no rate",
            'Add the frame rate to the trigger file, for example "rate": "30000/1001", or split with frame_tools',
        )
    first = numbering.pattern.format(numbering.first)
    width, height = image_size(storage.input.need(folder + first).data, f"frame {first!r}")
    return Manifest.plain(
        numbering.count,
        request.trigger.rate,
        width=width,
        height=height,
        image_format=numbering.image_format,
        pattern=numbering.pattern,
        first_number=numbering.first,
        source=request.name,
    )
