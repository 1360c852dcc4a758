"""What the page shows of one run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from frame_tools.contracts import ids
from frame_tools.contracts.errors import sentence
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.trigger import Trigger
from orchestration.app import App
from orchestration.documents import read_usable
from orchestration.reporting.facts import size_text
from orchestration.reporting.page import command
from orchestration.reporting.progress import read_steps
from orchestration.reporting.status import run_status
from orchestration.state import AnyState, RunState, read_state
from orchestration.web import pictures
from orchestration.web.pictures import Pair
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
    reason_text,
    state_of,
    title_of,
    usd_text,
    when_text,
)

Fact = tuple[str, str]
MAX_BATCHES: Final = 500
"""Batches that the strip shows; a run of more shows the first of them and says so."""
STEPS: Final = ("waiting", "checking", "starting", "painting", "joining")
STEP_LABELS: Final = {
    "waiting": "Waiting for its turn",
    "checking": "Checking",
    "starting": "Waiting to start",
    "painting": "Painting",
    "joining": "Assembling",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A stage of an open run: done, current, or to come."""

    label: str
    state: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A square of the strip: its number and frames, counted from 1, and its state, a key of BATCH_LABELS."""

    number: int
    step: str
    first: int
    last: int
    state: str

    @property
    def label(self) -> str:
        """Return the batch's state in words, for screen readers."""
        return f"Batch {self.number}: {BATCH_LABELS[self.state].lower()}"


BATCH_LABELS: Final = {
    "done": "Painted",
    "again": "Painted on a later attempt",
    "painting": "In progress",
    "waiting": "Waiting",
    "failed": "Failed",
}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an open run is."""

    frames_done: int
    frames: int | None
    rest: str
    steps: tuple[Step, ...]
    expected_usd: str
    trouble: tuple[str, ...]


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
    batches: tuple[Batch, ...]
    hidden_batches: int
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
    strength: int
    color: str
    can_repeat: bool

    @property
    def has_videos(self) -> bool:
        """Whether both videos can be compared frame by frame."""
        return bool(self.clip and self.painted and self.frames)

    @property
    def summary(self) -> str:
        """Return how many batches are painted, in progress and failed."""
        count = {name: sum(batch.state == name for batch in self.batches) for name in BATCH_LABELS}
        texts = [f"{count['done'] + count['again']} of {len(self.batches) + self.hidden_batches} batches painted"]
        for name, text in (("painting", "in progress"), ("failed", "failed")):
            if count[name]:
                texts.append(f"{count[name]} {text}")
        return ", ".join(texts)

    @property
    def document_title(self) -> str:
        """Return the title of the browser's tab: it carries the state."""
        if self.progress is not None and self.progress.frames:
            return f"{self.progress.frames_done * 100 // self.progress.frames} % · {self.name}"
        return f"{self.state.label} · {self.name}"


def read_run(app: App, run_id: str) -> RunView | None:
    """Return the page of a run, or None if there is no such run."""
    status = run_status(app, run_id)
    if status is None:
        return None
    state = read_state(app.storage, run_id)
    run = state if isinstance(state, RunState) else None
    report = read_report(app, run_id) if status.get("ended_at") else {}
    shown_pictures = pictures.read_pictures(app, run_id, run.plan.parent if run and run.plan else None)
    product = str(status.get("video") or status.get("records") or "").removeprefix("output/")
    clip, request, shown = report.get("clip") or {}, run.request if run else None, _state(status)
    trigger = request.trigger if request else None
    batches = tuple(read_batches(app, run)) if run else ()
    name = str(status.get("name") or run_id)
    return RunView(
        run_id=run_id,
        name=name,
        state=shown,
        styles=tuple(map(title_of, trigger.style_files)) if trigger else (),
        facts=tuple(_facts(app, status, report)),
        banner=_banner(status, shown, run),
        progress=_progress(status, shown) if shown.is_open else None,
        batches=batches[:MAX_BATCHES],
        hidden_batches=max(0, len(batches) - MAX_BATCHES),
        pairs=shown_pictures.pairs,
        style_picture=_style_picture(app, run_id, report) or shown_pictures.style,
        clip=pictures.clip_link(app, request) if status.get("video") else "",
        painted=pictures.output_link(app, product) if status.get("video") else "",
        download=pictures.output_link(app, product, download=f"{name}.{product.rpartition('.')[2]}") if product else "",
        sheet=pictures.sheet_link(app, run_id) if product else "",
        report=_report_link(app, run_id, report),
        frames=int(clip.get("frames") or 0),
        fps=frames_per_second(int(clip.get("frames") or 0), float(clip.get("seconds") or 0.0)),
        command=command(trigger, clip.get("source") or "") if trigger else "",
        steadiness=steadiness_of(report),
        times=tuple(_times(status, report)),
        notes=tuple(map(str, status.get("notes") or ())),
        strength=round(100 * trigger.strength) if trigger else 100,
        color=trigger.preserve_color if trigger else "no",
        can_repeat=run is not None and run.plan is not None and trigger is not None,
    )


def _style_picture(app: App, run_id: str, report: Mapping[str, Any]) -> str:
    """Return the link of the painting's picture in `output`, which stays when the lifecycle rule has emptied `work`."""
    return pictures.output_link(app, RunPaths(run_id).picture("style")) if "style" in report.get("pictures", ()) else ""


def _report_link(app: App, run_id: str, report: Mapping[str, Any]) -> str:
    return pictures.output_link(app, RunPaths(run_id).page, download=f"{run_id}.html") if report else ""


def _state(status: Mapping[str, Any]) -> State:
    progress = status.get("progress") or {}
    has_started = bool(progress.get("frames_done")) or not progress.get("reason")
    return state_of(str(status["status"]), has_started=has_started)


def read_batches(app: App, run: RunState) -> Iterator[Batch]:
    """Yield the batches of a run that has a plan."""
    if run.plan is None:
        return
    running = read_steps(app.storage.runs, run.run_id, run) if run.outcome is None else {}
    retried = set(_retried_steps(run))
    for batch in range(run.plan.batch_count):
        step, (start, end) = ids.step_name(batch), run.plan.span(batch)
        if batch in run.receipts:
            state = "again" if step in retried else "done"
        elif step in run.failures:
            state = "failed"
        else:
            state = "painting" if step in running else "waiting"
        yield Batch(number=batch + 1, step=step, first=start + 1, last=end, state=state)


def _retried_steps(run: RunState) -> Iterator[str]:
    prefix = RunPaths(run.run_id).retries
    for name in run.stored:
        if name.startswith(prefix):
            yield name.removeprefix(prefix).partition("-")[0]


def _progress(status: Mapping[str, Any], state: State) -> Progress:
    progress = status.get("progress") or {}
    frames, rate, left = progress.get("frames"), progress.get("frames_per_second"), progress.get("seconds_left")
    expected = (status.get("cost") or {}).get("expected") or {}
    rest = f"of {frames_text(frames)}" if frames else "frames read so far"
    return Progress(
        frames_done=progress.get("frames_done") or 0,
        frames=frames,
        rest=rest + (f" · {duration_text(left)} left" if left is not None else ""),
        steps=tuple(_steps(str(status["status"]), state, rate=rate, reason=str(progress.get("reason") or ""))),
        expected_usd=usd_text((expected.get("usd") or {}).get("spot")),
        trouble=tuple(map(str, status.get("trouble") or ())),
    )


def _steps(status: str, state: State, *, rate: float | None, reason: str) -> Iterator[Step]:
    current = {"waiting": "waiting", "splitting": "checking", "planning": "checking", "joining": "joining"}.get(
        status, "painting" if state.key == "painting" else "starting"
    )
    position = STEPS.index(current)
    for index, step in enumerate(STEPS):
        hint = ""
        if step == current:
            hint = f"{rate:.1f} frames a second" if step == "painting" and rate else reason_text(reason)
        yield Step(
            label=STEP_LABELS[step],
            state="done" if index < position else "current" if index == position else "next",
            hint=hint,
        )


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


def changed_options(trigger: Trigger, form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the options that the form "Paint again with…" changes; values that are not numbers pass unchanged."""
    strength = form.get("strength", [""])[0]
    options: dict[str, Any] = {}
    if strength:
        options["strength"] = int(strength) / 100 if strength.isdecimal() else strength
    if form.get("color"):
        options["preserve_color"] = form["color"][0]
    if form.get("smoothing", [""])[0].isdecimal():
        options["temporal_smoothing"] = int(form["smoothing"][0]) / 100
    current = trigger.model_dump(mode="json")
    return {name: value for name, value in options.items() if current.get(name) != value}
