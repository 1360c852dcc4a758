"""Names and ids: of runs, steps, Batch jobs and Batch tasks, as pure functions.

Deterministic ids make repeated messages harmless: handling one twice writes the same names twice.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

from frame_tools.contracts.errors import InputError

MAX_NAME_CHARS: Final = 100
SLUG_CHARS: Final = 40
HASH_CHARS: Final = 10
TRIGGERS: Final = "triggers"
TRIGGER_SUFFIX: Final = ".json"

_FORBIDDEN = re.compile(r"""[\x00-\x1f\x7f\ud800-\udfff/\\'"`<>|?*:;&$%#{}]""")
NAME_PATTERN: Final = r"""^(?![\s.\-])(?!.*\.\.)[^\x00-\x1f\x7f/\\'"`<>|?*:;&$%#{}]{1,100}(?<![\s.])$"""
"""What `check_name` accepts, for JSON schemas."""
_TASK_ID = re.compile(r"(?:b(?P<first>\d{5})(?:_(?P<last>\d{5}))?|(?P<stage>split|join))(?:-(?P<attempt>\d+))?")
RUN_ID = re.compile(rf"^[a-z0-9][a-z0-9-]{{0,{SLUG_CHARS - 1}}}-[0-9a-f]{{{HASH_CHARS}}}$")


def check_name(name: str, what: str) -> str:
    """Return `name` if it is allowed in a blob name; raises InputError that names the offending part."""
    remedy = f"Use letters, digits, spaces, '.', '-', '_' and '()' only, at most {MAX_NAME_CHARS} characters."
    if not name or name != name.strip():
        raise InputError(f"The {what} is empty or starts or ends with a space: {name[:40]!r}.", remedy=remedy)
    if len(name) > MAX_NAME_CHARS:
        raise InputError(f"The {what} has {len(name)} characters: {name[:40]!r}….", remedy=remedy)
    if forbidden := _FORBIDDEN.search(name):
        raise InputError(f"The {what} {name[:60]!r} contains the character {forbidden[0]!r}.", remedy=remedy)
    if name.startswith((".", "-")) or name.endswith(".") or ".." in name:
        raise InputError(
            f"The {what} {name[:60]!r} starts with '.' or '-', ends with '.', or contains '..'.", remedy=remedy
        )
    return name


def name_from(text: str) -> str:
    """Return a name that `check_name` accepts, derived from any text, such as a file name."""
    single_spaced = " ".join(_FORBIDDEN.sub("-", text).split())
    trimmed = single_spaced.replace("..", "-").strip(" .-")[:MAX_NAME_CHARS].strip(" .-")
    return trimmed or "run"


def slug(name: str) -> str:
    """Return `name` as 1 to 40 characters of [a-z0-9-], starting with a letter or digit."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:SLUG_CHARS].strip("-") or "run"


def run_id_for(trigger_blob: str, etag: str) -> str:
    """Return the id of the run that this version of this trigger blob starts.

    The same blob with the same ETag is the same run, however often and by whichever path it is delivered.
    `trigger_blob` is the blob's name inside the container `triggers`.
    """
    name = trigger_blob.removesuffix(TRIGGER_SUFFIX)
    digest = hashlib.sha256(f"{TRIGGERS}/{trigger_blob}\n{etag.strip(chr(34))}".encode()).hexdigest()
    return f"{slug(name)}-{digest[:HASH_CHARS]}"


def check_run_id(run_id: str) -> str:
    """Return `run_id` if it has the form of a run id; raises InputError."""
    if not RUN_ID.fullmatch(run_id):
        raise InputError(f"{run_id[:60]!r} is not a run id.", remedy="Take it from GET /api/runs.")
    return run_id


def job_id(run_id: str, number: int) -> str:
    """Return the id of the run's Batch job number `number`: at most 64 characters of [a-z0-9-]."""
    return f"{run_id}-j{number}"


def step_name(batch: int | str) -> str:
    """Return a step's name in blob names: "00003" for a batch, "split" and "join" as they are."""
    return f"{batch:05d}" if isinstance(batch, int) else batch


@dataclass(frozen=True, order=True)
class BatchRange:
    """The batches `first` to `last`, both included, that one task scores."""

    first: int
    last: int

    def __contains__(self, batch: object) -> bool:
        return isinstance(batch, int) and self.first <= batch <= self.last

    @property
    def numbers(self) -> range:
        """The batches of the range."""
        return range(self.first, self.last + 1)


Work = BatchRange | Literal["split", "join"]
"""What one task does."""


def task_name(work: Work) -> str:
    """Return the name of a task without its attempt: "b00003", "b00003_00007", "split" or "join"."""
    if isinstance(work, str):
        return work
    stem = f"b{work.first:05d}"
    return stem if work.first == work.last else f"{stem}_{work.last:05d}"


def task_id(work: Work, attempt: int) -> str:
    """Return a task's id: its name, with "-2" and so on for later attempts."""
    stem = task_name(work)
    return stem if attempt == 1 else f"{stem}-{attempt}"


def parse_task_id(text: str) -> tuple[Work, int] | None:
    """Return (work, attempt) of a task id, or None if it is not one of ours."""
    match = _TASK_ID.fullmatch(text)
    if not match:
        return None
    attempt = int(match["attempt"] or 1)
    if match["stage"] is not None:
        return ("split" if match["stage"] == "split" else "join"), attempt
    first, last = int(match["first"]), int(match["last"] or match["first"])
    return (BatchRange(first, last), attempt) if first <= last else None


def batch_log_name(batch: int) -> str:
    """Return the name of a batch's log of images, "b00003", whichever task has written it."""
    return task_name(BatchRange(batch, batch))
