"""Where everything lies: the names of containers, blobs, queues, jobs and tasks, as pure functions of the plan.

Deterministic names are what makes a repeated message harmless: doing a thing twice writes the same name twice.
"""

import hashlib
import re
import unicodedata
from typing import Final

from frame_tools.errors import InputError

# Containers of the data account: outside people write the first two, read `output`, and see nothing else.
INPUT: Final = "input"
TRIGGERS: Final = "triggers"
WORK: Final = "work"
OUTPUT: Final = "output"
# Containers of the ops account.
RUNS: Final = "runs"
LOGS: Final = "logs"
SCRIPTS: Final = "scripts"

# Queues of the ops account, to which the host adds "-poison"; the blob trigger's own lies where its blobs do.
FRAME_BATCHES: Final = "frame-batches"
FINISHED_BATCHES: Final = "finished-batches"
FRAME_BATCHES_POISON: Final = FRAME_BATCHES + "-poison"
FINISHED_BATCHES_POISON: Final = FINISHED_BATCHES + "-poison"
BLOB_TRIGGER_POISON: Final = "webjobs-blobtrigger-poison"

MAX_NAME_CHARS: Final = 100
SLUG_CHARS: Final = 40
HASH_CHARS: Final = 10
TRIGGER_SUFFIX: Final = ".json"

_FORBIDDEN = re.compile(r"""[\x00-\x1f\x7f/\\'"`<>|?*:;&$%#{}]""")
RUN_ID = re.compile(rf"^[a-z0-9][a-z0-9-]{{0,{SLUG_CHARS - 1}}}-[0-9a-f]{{{HASH_CHARS}}}$")


def check_name(name: str, what: str) -> str:
    """Return `name` if it may stand in a blob name, else raise InputError that says which part is wrong."""
    remedy = "Use letters, digits, spaces, '.', '-', '_' and '()' only, at most 100 characters."
    if not name or name != name.strip():
        raise InputError(f"The {what} is empty or has blanks at its ends: {name[:40]!r}.", remedy=remedy)
    if len(name) > MAX_NAME_CHARS:
        raise InputError(f"The {what} has {len(name)} characters: {name[:40]!r}….", remedy=remedy)
    if found := _FORBIDDEN.search(name):
        raise InputError(f"The {what} {name[:60]!r} holds the character {found[0]!r}.", remedy=remedy)
    if name.startswith((".", "-")) or name.endswith(".") or ".." in name:
        raise InputError(
            f"The {what} {name[:60]!r} starts with '.' or '-', ends with '.', or holds '..'.", remedy=remedy
        )
    return name


def name_from(text: str) -> str:
    """Return a name that `check_name` takes, made of any text (a file's name, say)."""
    words = " ".join(_FORBIDDEN.sub("-", text).split())  # every kind of blank becomes a plain one
    kept = words.replace("..", "-").strip(" .-")[:MAX_NAME_CHARS].strip(" .-")
    return kept or "run"


def slug(name: str) -> str:
    """Return `name` as 1 to 40 characters of [a-z0-9-], starting with a letter or digit."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:SLUG_CHARS].strip("-") or "run"


def run_id_for(trigger_blob: str, etag: str) -> str:
    """Return the id of the run that this version of this trigger blob starts.

    The same blob with the same ETag is the same run, however often and through whichever door it is announced.
    `trigger_blob` is the blob's name inside the container `triggers`.
    """
    name = trigger_blob.removesuffix(TRIGGER_SUFFIX)
    digest = hashlib.sha256(f"{TRIGGERS}/{trigger_blob}\n{etag.strip(chr(34))}".encode()).hexdigest()
    return f"{slug(name)}-{digest[:HASH_CHARS]}"


def check_run_id(run_id: str) -> str:
    """Return `run_id` if it has the form of one, else raise InputError."""
    if not RUN_ID.fullmatch(run_id):
        raise InputError(f"{run_id[:60]!r} is not a run id.", remedy="Take it from GET /api/runs.")
    return run_id


# Blobs in `runs`.


def looked_around() -> str:
    """Return the blob that says when all runs, not only open ones, were last looked at."""
    return "looked-around"


def open_mark(run_id: str) -> str:
    """Return the blob that exists while the run has not ended."""
    return f"open/{run_id}"


def slot(number: int) -> str:
    """Return the blob that stands for one place among the runs that may be under way at once."""
    return f"slots/{number:04d}"


def request(run_id: str) -> str:
    """Return the blob with what was asked for, as it was accepted."""
    return f"{run_id}/request.json"


def plan(run_id: str) -> str:
    """Return the blob with the plan."""
    return f"{run_id}/plan.json"


def manifest(run_id: str) -> str:
    """Return the blob with the run's own copy of the manifest."""
    return f"{run_id}/manifest.json"


def split_receipt(run_id: str) -> str:
    """Return the blob that proves that the task `split` has done its work."""
    return f"{run_id}/split.json"


def queued(run_id: str, stage: str) -> str:
    """Return the blob that says that a stage, "split", "batches" or "join", was handed over at least once."""
    return f"{run_id}/queued-{stage}"


def receipts(run_id: str) -> str:
    """Return the prefix of the receipts."""
    return f"{run_id}/batches/"


def receipt(run_id: str, batch: int) -> str:
    """Return the blob with the receipt of one batch."""
    return f"{receipts(run_id)}{batch:05d}.json"


def damaged_receipt(run_id: str, batch: int, etag: str) -> str:
    """Return where a receipt goes whose files were found damaged."""
    return f"{run_id}/damaged/{batch:05d}-{etag.strip(chr(34))}.json"


def failures(run_id: str) -> str:
    """Return the prefix of the failure records."""
    return f"{run_id}/failures/"


def failure(run_id: str, step: str) -> str:
    """Return the blob that says why a step ("00003", "split", "join") failed for good."""
    return f"{failures(run_id)}{step}.json"


def troubles(run_id: str) -> str:
    """Return the prefix of what tasks said of errors that are tried again."""
    return f"{run_id}/troubles/"


def trouble(run_id: str, step: str) -> str:
    """Return the blob with what the step's task last said of an error that is tried again."""
    return f"{troubles(run_id)}{step}.json"


def retries(run_id: str) -> str:
    """Return the prefix of the sweep's claims of one more try."""
    return f"{run_id}/retries/"


def retry_claim(run_id: str, step: str, number: int) -> str:
    """Return the blob whose creation allows the sweep one more try of a step."""
    return f"{retries(run_id)}{step}-{number}"


def completion_log(run_id: str) -> str:
    """Return the append blob that counts finished batches (an ordinal, never the truth)."""
    return f"{run_id}/done.log"


def cancelled(run_id: str) -> str:
    """Return the blob that says that a person cancelled the run."""
    return f"{run_id}/cancelled"


def resumed(run_id: str) -> str:
    """Return the blob that says when a person last had the run go on."""
    return f"{run_id}/resumed"


def outcome(run_id: str) -> str:
    """Return the blob that says how the run ended."""
    return f"{run_id}/outcome.json"


def join_lease(run_id: str) -> str:
    """Return the blob whose lease the joiner holds."""
    return f"{run_id}/join.lease"


def pool_check(run_id: str) -> str:
    """Return the blob with what was found of the pool for this run."""
    return f"{run_id}/pool.json"


def jobs(run_id: str) -> str:
    """Return the prefix of the claims of Batch jobs."""
    return f"{run_id}/jobs/"


def job_claim(run_id: str, number: int) -> str:
    """Return the blob that claims the run's Batch job number `number`."""
    return f"{jobs(run_id)}{number:03d}"


def prepared(run_id: str) -> str:
    """Return what a run's tasks share, in `runs`: style vectors, statistics; written by the first of them."""
    return f"{run_id}/prepared.safetensors"


def offspring(run_id: str, number: int) -> str:
    """Return the blob that claims the `number`-th new run made from this one by a resubmission."""
    return f"{run_id}/offspring/{number:03d}"


# Blobs in the data account.


def input_blob(folder: str, name: str) -> str:
    """Return a file of the person's input."""
    return f"{folder}/{name}"


def styled_frame(run_id: str, name: str) -> str:
    """Return a styled frame in `work`."""
    return f"{run_id}/frames/{name}"


def segment(run_id: str, batch: int) -> str:
    """Return a batch's encoded video in `work`."""
    return f"{run_id}/segments/{batch:05d}.mp4"


def records_part(run_id: str, batch: int) -> str:
    """Return a batch's records in `work`."""
    return f"{run_id}/records/{batch:05d}.jsonl"


def split_folder(run_id: str) -> str:
    """Return the folder in `work` where the task `split` puts frames and audio."""
    return f"{run_id}/split"


def style_copy(run_id: str, style_sha256: str) -> str:
    """Return the run's own copy of a style file in `work`; the person may overwrite theirs at any time."""
    return f"{run_id}/style-{style_sha256[:16]}"


def video(run_id: str, container: str) -> str:
    """Return the finished video in `output`; `container` is "mp4" or "mkv"."""
    return f"{run_id}/video.{container}"


def records(run_id: str) -> str:
    """Return the finished run's records in `output`: one JSON line a frame, in order."""
    return f"{run_id}/records.jsonl"


def report(run_id: str) -> str:
    """Return the run's report in `output`."""
    return f"{run_id}/report.json"


# Logs.


def timing_log(run_id: str, step: str) -> str:
    """Return the log of one step in `logs`: one JSON line per image."""
    return f"{run_id}/{step}.jsonl"


def task_output_folder(run_id: str, task_id: str) -> str:
    """Return where Batch puts a task's stdout.txt and stderr.txt in `logs`."""
    return f"{run_id}/{task_id}"


def stray(queue: str, digest: str) -> str:
    """Return where a message that is not ours is kept in `logs`."""
    return f"strays/{queue}/{digest[:16]}.txt"


# Batch.


def job_id(run_id: str, number: int) -> str:
    """Return the id of the run's Batch job number `number`: at most 64 of [a-z0-9-]."""
    return f"{run_id}-j{number}"


def step_name(batch: int | str) -> str:
    """Return a step's name in blob names: "00003" for a batch, "split" and "join" as they are."""
    return f"{batch:05d}" if isinstance(batch, int) else batch


def task_id(batch: int | str, attempt: int) -> str:
    """Return a task's id: "b00003" or "split", with "-2" and so on for later attempts."""
    stem = f"b{batch:05d}" if isinstance(batch, int) else batch
    return stem if attempt == 1 else f"{stem}-{attempt}"


def parse_task_id(text: str) -> tuple[int | str, int] | None:
    """Return (step, attempt) of a task id, or None for an id that is not ours."""
    found = re.fullmatch(r"(?:b(\d{5})|(split|join))(?:-(\d+))?", text)
    if not found:
        return None
    number, word, attempt = found.groups()
    return (int(number) if number is not None else word), int(attempt or 1)
