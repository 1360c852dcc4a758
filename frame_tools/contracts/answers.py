"""Answers of the HTTP interface: the app builds them, clients read them, and its OpenAPI document describes them.

Clients ignore fields that they do not know, so that an older client can talk to a newer app.
"""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from frame_tools.contracts.choices import Makes, Precision, ProgramKind, ProgramSource, RunOutcome
from frame_tools.contracts.errors import ErrorCode, NextStep

OpenStatus = Literal["waiting", "splitting", "planning", "scoring", "joining"]
Status = OpenStatus | RunOutcome | Literal["unknown"]
STATUSES: Final[tuple[str, ...]] = (*get_args(OpenStatus), *get_args(RunOutcome), "unknown")
BatchState = Literal["waiting", "painting", "done", "failed"]
LogStream = Literal["stderr", "stdout", "images"]
Verdict = Literal["ok", "warning", "stop", "unknown"]
RunPicture = Literal["before", "after", "sheet", "style"]
Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]
Time = Annotated[str, Field(description="UTC, ISO 8601.")]
Count = Annotated[int, Field(ge=0)]


class Answer(BaseModel):
    """An immutable part of an answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Problem(Answer):
    """Why a request failed, as RFC 9457 defines it, with what to do about it."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    """What is wrong."""
    remedy: str
    """What to do about it."""
    code: ErrorCode
    next_step: NextStep
    correlation_id: str | None
    """Id of the log lines about an error of the app."""


class RunRow(Answer):
    """A run in the list of runs. The status of an open run may lag behind that of the run itself."""

    run_id: str
    name: str | None
    status: Status
    reason: str
    received_at: Time | None
    ended_at: Time | None
    label: str | None
    scorer: str | None
    styles: tuple[str, ...]
    strength: float | None
    parent: str | None
    frames: Count | None
    frames_done: Count | None = None
    """Frames that were painted, of a run that has ended."""
    cost_usd: float | None
    video: str | None
    records: str | None
    pictures: tuple[RunPicture, ...] | None = None
    """Which of before.jpg, after.jpg, sheet.jpg and style.jpg are beside the video; null while the run is open."""


class RunPage(Answer):
    """Runs, newest first. `next` is the parameter `after` of the next page; null on the last one."""

    runs: tuple[RunRow, ...]
    next: str | None


class BatchCounts(Answer):
    """The batches of a run; `planned` is null until there is a plan."""

    planned: Count | None
    done: Count
    failed: tuple[str, ...]


class TuningSteps(Answer):
    """How far the tuning of a run's paintings is, all together."""

    steps_done: Count
    steps: Count


class RunProgress(Answer):
    """How far a run is; rate and time left are null until a task has finished a frame.

    `tuning` is null except while a style is tuned, before the first frame.
    """

    frames_done: Count
    frames: Count | None
    frames_per_second: float | None
    seconds_left: float | None
    reason: str
    tuning: TuningSteps | None = None


class ExpectedDollars(Answer):
    """US dollars that a run is expected to cost; null without a price."""

    spot: float | None
    dedicated: float | None


class ExpectedCost(Answer):
    """What a run is expected to take."""

    wall_seconds: float | None
    node_seconds: float | None
    usd: ExpectedDollars
    vm_size: str | None
    throughput_source: Annotated[str, Field(alias="pace")]
    """Where the throughput of this estimate was measured."""
    prices: str


class Dollars(Answer):
    """US dollars that a run has cost."""

    tasks: float
    idle_estimated: float
    storage: float
    functions: float
    total: float


class Cost(Answer):
    """Of an open run, what is expected; of a run that has ended, what it took."""

    expected: ExpectedCost | None = None
    task_seconds: float | None = None
    task_seconds_on_spot: float | None = None
    nodes_at_once: int | None = None
    idle_node_seconds_estimated: float | None = None
    usd: Dollars | None = None
    vm_size: str | None = None
    prices: str | None = None


class RunStatus(Answer):
    """All that is known of a run. Of a run whose request cannot be read, what follows from the request is null."""

    run_id: str
    name: str | None
    status: Status
    reason: str
    remedy: str
    code: ErrorCode | None
    next_step: NextStep | None
    received_at: Time | None
    ended_at: Time | None
    frames: Count | None
    batches: BatchCounts
    failures: dict[str, str]
    options: dict[str, Any] | None
    parent: str | None
    video: str | None
    records: str | None
    report: str | None
    correlation_id: str
    progress: RunProgress | None
    trouble: tuple[str, ...]
    notes: tuple[str, ...]
    cost: Cost | None


class StartedRun(Answer):
    """A run that was started; `created` is false if the same request had started it before."""

    run_id: str
    name: str
    created: bool


class Resubmitted(Answer):
    """The run that continues: the resubmitted one, or a new one."""

    run_id: str


class UploadTarget(Answer):
    """Where one file is uploaded: `url` accepts this blob only."""

    name: str
    blob: str
    url: Url
    method: Literal["PUT"]
    headers: dict[str, str]


class UploadGrant(Answer):
    """Where the files of a run are uploaded."""

    name: str
    container: str
    folder: str
    expires_at: Time
    files: tuple[UploadTarget, ...]


class FramePair(Answer):
    """A frame before and after painting, as short-lived URLs; null while, or if, there is no such picture."""

    index: Count
    name: str
    before: Url | None
    after: Url | None


class FramePage(Answer):
    """Frames in order. `total` is null until the number of frames is known."""

    frames: tuple[FramePair, ...]
    total: Count | None
    next: str | None


class BatchRow(Answer):
    """A batch: its frames [start, end), its state, and its last task."""

    batch: Count
    start: Count
    end: Count
    state: BatchState
    frames_done: Count
    reason: str | None
    remedy: str | None
    task_id: str | None
    device: str | None
    seconds: float | None
    finished_at: Time | None


class BatchPage(Answer):
    """Batches in order. `total` is null until there is a plan."""

    batches: tuple[BatchRow, ...]
    total: Count | None
    next: str | None


class LogTail(Answer):
    """The last lines of a task's output: from the node while the task runs, else from storage."""

    step: str
    task_id: str | None
    stream: LogStream
    source: Literal["node", "storage", "none"]
    lines: tuple[str, ...]
    truncated: bool
    """Whether earlier lines were left out."""


class Check(Answer):
    """The result of one check of the deployment."""

    check: str
    verdict: Verdict
    message: str
    remedy: str = ""


class Preflight(Answer):
    """Every check of the deployment; `ready` is false if one of them prevents every run."""

    ready: bool
    checks: tuple[Check, ...]


class Program(Answer):
    """A program of the operator's list."""

    name: str
    """What the option `program` names."""
    scorer: Literal["script", "model"]
    """The scorer that runs it."""
    kind: ProgramKind
    makes: Makes
    sha256: str
    files: tuple[str, ...]
    """Names of the files beside it."""
    scale: Annotated[int, Field(ge=1)]
    frames_per_call: Annotated[int, Field(ge=1)] | None
    precision: Precision


class ProgramList(Answer):
    """The operator's programs. `problem` says why the list cannot be read; then no program can be used."""

    source: ProgramSource
    problem: str | None
    programs: tuple[Program, ...]
