"""Where everything is stored: the names of containers, queues and blobs, as pure functions of the run id."""

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal

from frame_tools.contracts import ids

PairSide = Literal["before", "after"]
PictureName = Literal["before", "after", "sheet", "style"]

# Containers of the data account. Outside users write to the first two and read `output`.
INPUT: Final = "input"
TRIGGERS: Final = ids.TRIGGERS
WORK: Final = "work"
OUTPUT: Final = "output"
# Containers of the ops account.
RUNS: Final = "runs"
LOGS: Final = "logs"
SCRIPTS: Final = "scripts"
HASHES: Final = "hashes"

# Queues of the ops account. The host appends "-poison"; the blob trigger's poison queue is in the account of its blobs.
FRAME_BATCHES: Final = "frame-batches"
FINISHED_BATCHES: Final = "finished-batches"
FRAME_BATCHES_POISON: Final = FRAME_BATCHES + "-poison"
FINISHED_BATCHES_POISON: Final = FINISHED_BATCHES + "-poison"
BLOB_TRIGGER_POISON: Final = "webjobs-blobtrigger-poison"


OPEN_MARKS: Final = "open/"
"""Prefix in `runs` of the marks of the runs that have not ended."""
SLOTS: Final = "slots/"
"""Prefix in `runs` of the slots."""


INDEX: Final = "index/"
"""Prefix in `runs` of the list of all runs, newest first: an entry sorts by the time that is left until year 2286."""
INDEX_COMPLETE: Final = f"{INDEX}!complete"
"""Exists once every run that is older than the index has an entry; the first blob of the index."""
STATUSES: Final = "status/"
"""Prefix in `runs` of the statuses for those who watch runs."""
_LAST_MILLISECOND: Final = 9_999_999_999_999


def index_entry(received: dt.datetime, run_id: str) -> str:
    """Return the blob in `runs` that lists a run: the entry of a later run comes first in a listing."""
    left = max(0, _LAST_MILLISECOND - int(received.timestamp() * 1000))
    return f"{INDEX}{left:013d}-{run_id}"


def status_document(run_id: str) -> str:
    """Return the blob in `runs` that holds a run's status as it was computed last; outside of the run's own blobs."""
    return f"{STATUSES}{run_id}.json"


def throughput_history() -> str:
    """Return the blob in `runs` that holds the throughputs of earlier runs."""
    return "throughput-history.json"


def sweep_progress() -> str:
    """Return the blob in `runs` that holds where the next sweep continues."""
    return "sweep-progress.json"


def slot(number: int) -> str:
    """Return the blob in `runs` that represents one of the `MAX_OPEN_RUNS` places for admitted runs."""
    return f"{SLOTS}{number:04d}"


def input_blob(folder: str, name: str) -> str:
    """Return the blob in `input` of a file that the user uploaded."""
    return f"{folder}/{name}"


def recorded_hash(run_id: str, name: str) -> str:
    """Return the blob in `hashes` that says that the app has made a document of the run: "plan-SHA256"."""
    return f"{run_id}/{name}"


DEAD_LETTERS: Final = "dead-letter/"
"""Prefix in `logs` of messages that are not ours, in a folder for each queue."""


def dead_letter(queue: str, digest: str) -> str:
    """Return the blob in `logs` that keeps a message that is not one of ours."""
    return f"{DEAD_LETTERS}{queue}/{digest[:16]}.txt"


@dataclass(frozen=True)
class RunPaths:
    """The blob names of one run."""

    run_id: str

    # In `runs`.

    @property
    def open_mark(self) -> str:
        """Exists while the run has not ended."""
        return f"{OPEN_MARKS}{self.run_id}"

    @property
    def request(self) -> str:
        """The trigger file as it was accepted."""
        return f"{self.run_id}/request.json"

    @property
    def listed(self) -> str:
        """The status with which the run is in the list of runs, and the name of its entry."""
        return f"{self.run_id}/listed"

    @property
    def folder(self) -> str:
        """Prefix of all blobs of the run in `runs`, except its open mark."""
        return f"{self.run_id}/"

    @property
    def plan(self) -> str:
        """The plan."""
        return f"{self.run_id}/plan.json"

    @property
    def task_borders(self) -> str:
        """Which batches share a task in the run's first plan; a later plan of the same run has the same ones."""
        return f"{self.run_id}/task-borders"

    @property
    def manifest(self) -> str:
        """The run's own copy of the manifest."""
        return f"{self.run_id}/manifest.json"

    def inputs(self, digest: str) -> str:
        """Return the pins of frames, masks and sound whose digest the plan records."""
        return f"{self.run_id}/inputs-{digest[:16]}.json"

    @property
    def product_record(self) -> str:
        """What was committed to `output`."""
        return f"{self.run_id}/product.json"

    @property
    def split_receipt(self) -> str:
        """Proves that the task `split` has done its work."""
        return f"{self.run_id}/split.json"

    def queued(self, stage: str) -> str:
        """Return the blob that records that a stage ("split", "batches", "join") was enqueued at least once."""
        return f"{self.run_id}/queued-{stage}"

    @property
    def receipts(self) -> str:
        """Prefix of the receipts."""
        return f"{self.run_id}/batches/"

    def receipt(self, batch: int) -> str:
        """Return the receipt of one batch."""
        return f"{self.receipts}{batch:05d}.json"

    def quarantined(self, name: str, etag: str) -> str:
        """Return where a damaged blob of the run is moved: batches/00003.json to damaged/00003-ETAG.json."""
        stem, dot, suffix = name.rsplit("/", 1)[1].partition(".")
        return f"{self.run_id}/damaged/{stem}-{etag.strip(chr(34))}{dot}{suffix}"

    @property
    def failures(self) -> str:
        """Prefix of the failure records."""
        return f"{self.run_id}/failures/"

    def failure(self, step: str) -> str:
        """Return the record of why a step ("00003", "split", "join") failed permanently."""
        return f"{self.failures}{step}.json"

    @property
    def errors(self) -> str:
        """Prefix of the task errors that are retried."""
        return f"{self.run_id}/errors/"

    def error(self, step: str) -> str:
        """Return the last retryable error of a step's task."""
        return f"{self.errors}{step}.json"

    @property
    def progress(self) -> str:
        """Prefix of the running tasks' progress."""
        return f"{self.run_id}/progress/"

    def step_progress(self, step: str) -> str:
        """Return how far the running task of a step is."""
        return f"{self.progress}{step}.json"

    @property
    def old_errors(self) -> str:
        """Prefix under which node images of earlier versions write task errors; a run keeps the image it began with."""
        return f"{self.run_id}/troubles/"

    def old_error(self, step: str) -> str:
        """Return the last retryable error of a step's task as a node image of an earlier version writes it."""
        return f"{self.old_errors}{step}.json"

    @property
    def delay(self) -> str:
        """The last error that kept the Function App from advancing the run."""
        return f"{self.run_id}/delay.json"

    @property
    def retries(self) -> str:
        """Prefix of the sweep's retry claims."""
        return f"{self.run_id}/retries/"

    def retry_claim(self, step: str, number: int) -> str:
        """Return the blob whose creation allows the sweep one more attempt of a step."""
        return f"{self.retries}{step}-{number}"

    def later_retry(self, step: str, number: int) -> str:
        """Return the claim of a retry after an error that passes by itself; there is no limit on their number."""
        return f"{self.later_retries(step)}{number:04d}"

    def later_retries(self, step: str) -> str:
        """Return the prefix of a step's claims of retries after errors that pass by themselves."""
        return f"{self.retries}{step}-later-"

    @property
    def completion_log(self) -> str:
        """Append blob that counts finished batches: an ordinal, never the truth."""
        return f"{self.run_id}/done.log"

    @property
    def cancelled(self) -> str:
        """Exists if a user cancelled the run."""
        return f"{self.run_id}/cancelled"

    @property
    def resumed(self) -> str:
        """The time at which a user last resumed the run."""
        return f"{self.run_id}/resumed"

    @property
    def splits_again(self) -> str:
        """Exists if a child run splits its video itself, because the frames of its parent are gone."""
        return f"{self.run_id}/splits-again"

    @property
    def outcome(self) -> str:
        """How the run ended."""
        return f"{self.run_id}/outcome.json"

    @property
    def join_lease(self) -> str:
        """The blob whose lease the joiner holds."""
        return f"{self.run_id}/join.lease"

    @property
    def pool_check(self) -> str:
        """What the preflight found out about the pool."""
        return f"{self.run_id}/pool.json"

    @property
    def jobs(self) -> str:
        """Prefix of the claims of Batch jobs."""
        return f"{self.run_id}/jobs/"

    def job_claim(self, number: int) -> str:
        """Return the blob that claims the run's Batch job number `number`."""
        return f"{self.jobs}{number:03d}"

    @property
    def prepared(self) -> str:
        """Style vectors and statistics that all tasks share; written by the first task that needs them."""
        return f"{self.run_id}/prepared.safetensors"

    def child_run(self, number: int) -> str:
        """Return the blob that claims the `number`-th run created from this one by a resubmission."""
        return f"{self.run_id}/child-runs/{number:03d}"

    def old_child_run(self, number: int) -> str:
        """Return the claim of the same child run that an earlier version made."""
        return f"{self.run_id}/offspring/{number:03d}"

    # In `work`.

    def painted_frame(self, name: str) -> str:
        """Return a painted frame."""
        return f"{self.run_id}/frames/{name}"

    def segment(self, batch: int) -> str:
        """Return the encoded video of one batch."""
        return f"{self.run_id}/segments/{batch:05d}.mp4"

    def smoothing_state(self, batch: int) -> str:
        """Return the state of the temporal smoothing at the end of a batch."""
        return f"{self.run_id}/smoothing/{batch:05d}.safetensors"

    def records_part(self, batch: int) -> str:
        """Return the records of one batch."""
        return f"{self.run_id}/records/{batch:05d}.jsonl"

    @property
    def pairs(self) -> str:
        """Prefix of the small pictures of some frames before and after painting, and of the sheet of all of them."""
        return f"{self.run_id}/pairs/"

    def pair(self, index: int, side: PairSide) -> str:
        """Return the small picture of a frame before or after painting."""
        return f"{self.pairs}{index:06d}-{side}.jpg"

    @property
    def pair_sheet(self) -> str:
        """The sheet of all pairs."""
        return f"{self.pairs}sheet.jpg"

    @property
    def style_picture(self) -> str:
        """A small picture of the run's first painting."""
        return f"{self.pairs}style.jpg"

    @property
    def split_folder(self) -> str:
        """Folder to which the task `split` writes frames and audio."""
        return f"{self.run_id}/split"

    def style_copy(self, style_sha256: str) -> str:
        """Return the run's own copy of a style file; the user may overwrite the original at any time."""
        return f"{self.run_id}/style-{style_sha256[:16]}"

    # In `output`.

    def video(self, container: str) -> str:
        """Return the finished video; `container` is "mp4", "mov" or "mkv"."""
        return f"{self.run_id}/video.{container}"

    @property
    def records(self) -> str:
        """The records of the finished run: one JSON line per frame, in order."""
        return f"{self.run_id}/records.jsonl"

    @property
    def report(self) -> str:
        """The run's report."""
        return f"{self.run_id}/report.json"

    def picture(self, name: PictureName) -> str:
        """Return a picture of the finished run: a frame before and after, the sheet of several, or the painting."""
        return f"{self.run_id}/{name}.jpg"

    @property
    def page(self) -> str:
        """The run's report as a web page in one file."""
        return f"{self.run_id}/report.html"

    # In `logs`.

    def timing_log(self, step: str) -> str:
        """Return the log of one step: one JSON line per image."""
        return f"{self.run_id}/{step}.jsonl"

    def task_output_folder(self, task_id: str) -> str:
        """Return where Batch writes a task's stdout.txt and stderr.txt."""
        return f"{self.run_id}/{task_id}"
