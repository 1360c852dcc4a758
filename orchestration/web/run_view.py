"""What the page shows of one run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from frame_tools.contracts.errors import sentence
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from orchestration.app import App
from orchestration.documents import read_usable
from orchestration.reporting.facts import size_text
from orchestration.reporting.page import command
from orchestration.reporting.status import run_status, status_of
from orchestration.state import AnyState, RunState, read_state
from orchestration.web import pictures
from orchestration.web.again import AgainForm, again_form
from orchestration.web.batch_strip import BatchStrip, strip_of
from orchestration.web.marks import Marks, read_marks
from orchestration.web.pictures import Pair
from orchestration.web.progress_view import (
    Bar,
    Progress,
    bars_of,
    document_title,
    progress_of,
    read_stage_times,
    state_of_status,
)
from orchestration.web.report_file import read_report
from orchestration.web.steadiness import Steadiness, steadiness_of
from orchestration.web.text import (
    State,
    count_text,
    duration_text,
    elapsed,
    frames_per_second,
    frames_text,
    length_text,
    title_of,
    usd_text,
    when_text,
)

Fact = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Banner:
    """Why a run did not finish, what to do, and the action that does it: its name and its label, or empty."""

    title: str
    remedy: str
    action: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class RunView:
    """All of one run's page."""

    run_id: str
    name: str
    state: State
    styles: tuple[str, ...]
    facts: tuple[Fact, ...]
    banner: Banner | None
    progress: Progress | None
    strip: BatchStrip
    pairs: tuple[Pair, ...]
    style_picture: str
    clip: str
    painted: str
    download: str
    sheet: str
    report: str
    frames: int
    fps: float
    command: str
    steadiness: Steadiness | None
    times: tuple[Fact, ...]
    notes: tuple[str, ...]
    again: AgainForm | None
    """The form "Paint again with…"; None for a run that cannot be repeated."""
    marks: Marks
    bars: tuple[Bar, ...]
    """Where the time of a run that has ended went."""

    @property
    def has_videos(self) -> bool:
        """Whether both videos can be compared frame by frame."""
        return bool(self.clip and self.painted and self.frames)

    @property
    def middle(self) -> int:
        """The frame in the middle, counted from 1."""
        return (self.frames + 1) // 2

    @property
    def document_title(self) -> str:
        """Return the title of the browser's tab: it carries the state."""
        return document_title(self.name, self.state, self.progress)


def read_run(app: App, run_id: str) -> RunView | None:
    """Return the page of a run, or None if there is no such run."""
    state = read_state(app.storage, run_id)
    status = status_of(app, state) if state is not None else run_status(app, run_id)
    if status is None:
        return None
    run = state if isinstance(state, RunState) else None
    report = read_report(app, run_id) if status.get("ended_at") else {}
    shown_pictures = pictures.read_pictures(app, run_id, run.plan.parent if run and run.plan else None)
    product = str(status.get("video") or status.get("records") or "").removeprefix("output/")
    clip, request, shown = report.get("clip") or {}, run.request if run else None, state_of_status(status)
    trigger = request.trigger if request else None
    strip = strip_of(run_id, run.plan if run else None, run.stored if run else set(), is_open=shown.is_open)
    times = read_stage_times(app, run, report)
    name = str(status.get("name") or run_id)
    return RunView(
        run_id=run_id,
        name=name,
        state=shown,
        styles=tuple(map(title_of, trigger.style_files)) if trigger else (),
        facts=tuple(_facts(app, status, report)),
        banner=_banner(status, shown, run),
        progress=progress_of(status, shown, times, app.clock.now()) if shown.is_open else None,
        strip=strip,
        pairs=shown_pictures.pairs,
        style_picture=_style_picture(app, run_id, report) or shown_pictures.style,
        clip=pictures.clip_link(app, request) if status.get("video") else "",
        painted=pictures.output_link(app, product) if status.get("video") else "",
        download=pictures.output_link(app, product, download=f"{name}.{product.rpartition('.')[2]}") if product else "",
        sheet=pictures.sheet_link(app, run_id) if product else "",
        report=_report_link(app, run_id, report),
        frames=run.plan.frame_count if run and run.plan else int(clip.get("frames") or 0),
        fps=frames_per_second(int(clip.get("frames") or 0), float(clip.get("seconds") or 0.0)),
        command=command(trigger, clip.get("source") or "") if trigger else "",
        steadiness=steadiness_of(report),
        times=tuple(_times(status, report)),
        notes=tuple(map(str, status.get("notes") or ())),
        again=again_form(trigger) if trigger and run and run.plan and not shown.is_open else None,
        marks=read_marks(run, report),
        bars=() if shown.is_open else bars_of(times),
    )


def _style_picture(app: App, run_id: str, report: Mapping[str, Any]) -> str:
    """Return the link of the painting's picture in `output`, which stays when the lifecycle rule has emptied `work`."""
    return pictures.output_link(app, RunPaths(run_id).picture("style")) if "style" in report.get("pictures", ()) else ""


def _report_link(app: App, run_id: str, report: Mapping[str, Any]) -> str:
    return pictures.output_link(app, RunPaths(run_id).page, download=f"{run_id}.html") if report else ""


def _facts(app: App, status: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[Fact]:
    clip, cost, scoring = report.get("clip") or {}, report.get("cost") or {}, report.get("scoring") or {}
    if clip:
        done = scoring.get("frames") or 0
        yield "Frames", count_text(clip["frames"]) if done == clip["frames"] else f"{done:,} of {clip['frames']:,}"
        yield "Length", length_text(clip["seconds"], clip["frames"])
        yield "Size", size_text(clip)
        yield "Sound", _tracks_text(clip["audio_tracks"])
    if status.get("ended_at") and scoring:
        yield "Painted in", duration_text(elapsed(status.get("received_at"), status.get("ended_at")))
    if cost.get("usd"):
        yield "Cost", usd_text(cost["usd"].get("total"))
    elif cost:
        yield "Task time", duration_text(cost.get("task_seconds"))
    if status.get("received_at"):
        yield "Started", when_text(status["received_at"], app.clock.now())
    label = (status.get("options") or {}).get("label")
    if label:
        yield "Label", str(label)


def _tracks_text(tracks: int) -> str:
    return "none" if not tracks else "copied" if tracks == 1 else f"{tracks} tracks"


def _banner(status: Mapping[str, Any], state: State, run: RunState | None) -> Banner | None:
    if state.group not in ("failed", "cancelled"):
        return None
    reason, remedy = str(status.get("reason") or ""), str(status.get("remedy") or "")
    can_resume = run is not None and status["status"] in ("failed", "cancelled", "unknown")
    if status["status"] == "cancelled":
        return Banner(
            title="This run was cancelled.",
            remedy="Frames that are painted are kept for a while; painting can go on from there.",
            action="redo" if can_resume else "",
            label="Paint the rest",
        )
    return Banner(title=sentence(reason), remedy=remedy, action="redo" if can_resume else "", label=_redo_label(run))


def _redo_label(run: RunState | None) -> str:
    if run is None or run.plan is None:
        return "Try again"
    missing = sum(end - start for start, end in map(run.plan.span, run.missing))
    return f"Paint the {frames_text(missing).replace(' frame', ' missing frame')} again" if missing else "Try again"


def _times(status: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[Fact]:
    scoring = report.get("scoring") or {}
    total = elapsed(status.get("received_at"), status.get("ended_at"))
    if total is None or not scoring.get("frames"):
        return
    yield "From request to end", duration_text(total)
    yield "All tasks together", duration_text(scoring["task_seconds"])
    yield "Of that, starting up", duration_text(scoring["start_up_seconds"])
    yield "Painting a frame", f"{1000 * scoring['infer_seconds_per_image']:.0f} ms"
    yield "Computed on", ", ".join(scoring["devices"])
    yield "Batches", f"{scoring['batches']} of {scoring['batches_planned']}"


def read_command(app: App, run_id: str) -> str | None:
    """Return the command that repeats a run; None if there is no such run, or its request cannot be read."""
    request = read_usable(app.storage.runs, RunPaths(run_id).request, Request)
    if request is None:
        return None
    clip = {} if request.trigger.video else read_report(app, run_id).get("clip") or {}
    return command(request.trigger, clip.get("source") or "")


def request_of(state: AnyState | None) -> Request | None:
    """Return the request of a run whose request can be read."""
    return state.request if isinstance(state, RunState) else None
