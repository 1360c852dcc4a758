"""A preview as callers see it: computed from durable state and Batch, without any write."""

from frame_tools.contracts import paths
from frame_tools.contracts.options import Options
from frame_tools.contracts.preview_call import PreviewAnswer, PreviewCell
from frame_tools.contracts.preview_task import Look
from orchestration.app import App
from orchestration.previews.decide import decide
from orchestration.previews.scheduling import need_state
from orchestration.previews.state import PreviewState, try_read_task
from orchestration.reporting.clip_estimate import Clip, ClipEstimate, estimate_clip, read_pool


def preview_answer(app: App, preview_id: str) -> PreviewAnswer:
    """Return a preview; raises MissingError if it was never ordered."""
    return describe(app, need_state(app, preview_id))


def describe(app: App, state: PreviewState) -> PreviewAnswer:
    """Return the preview that has this state; asks Batch only while nothing else says how it ended."""
    task = None if state.result is not None or state.ending is not None else try_read_task(app, state)
    standing = decide(state, task, app.clock.now(), is_local=app.settings.batch_is_local)
    estimates = _estimates(app, state)
    cells = [_cell(app, state, number, look, estimates) for number, look in enumerate(state.order.looks)]
    result = state.result
    return PreviewAnswer(
        preview_id=state.preview_id,
        status=standing.status,
        reason=standing.reason,
        remedy=standing.remedy,
        code=standing.code,
        next_step=standing.next_step,
        began_at=state.began_at.isoformat() if state.began_at else None,
        clip=state.order.clip.name,
        clip_frames=result.clip_frames or None if result else None,
        clip_width=result.width if result else None,
        clip_height=result.height if result else None,
        originals=tuple(_link(app, state, state.paths.original(frame)) for frame in range(state.frames)),
        cells=tuple(cells),
        done=sum(state.has_look(number) for number in range(len(cells))),
        seconds=result.seconds if result else None,
    )


def _cell(app: App, state: PreviewState, number: int, look: Look, estimates: dict[str, ClipEstimate]) -> PreviewCell:
    seconds = state.result.look_seconds if state.result else ()
    estimate = estimates.get(look.strokes)
    return PreviewCell(
        painting=state.order.paintings[look.painting].name,
        strength=look.strength,
        strokes=look.strokes,
        pictures=tuple(_link(app, state, state.paths.cell(number, frame)) for frame in range(state.frames)),
        seconds_per_frame=(seconds[number] if number < len(seconds) else 0.0) or None,
        run_seconds=estimate.seconds if estimate else None,
        run_usd=estimate.usd if estimate else None,
    )


def _estimates(app: App, state: PreviewState) -> dict[str, ClipEstimate]:
    """Return what the whole clip takes, by the size of the strokes; empty until its length is known."""
    result = state.result
    if result is None or not result.clip_frames:
        return {}
    pool = read_pool(app)
    clips = {
        strokes: Clip(
            frames=result.clip_frames,
            width=result.width,
            height=result.height,
            options=Options(scorer="any", strokes=strokes),
        )
        for strokes in state.order.strokes
    }
    return {strokes: estimate_clip(app, pool, clip) for strokes, clip in clips.items()}


def _link(app: App, state: PreviewState, name: str) -> str | None:
    return app.links.view(paths.WORK, name, now=app.clock.now()) if name in state.written else None
