"""What the screen Health shows of queues: waiting messages, those that failed five times, and invalid ones."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts import paths
from frame_tools.storage.ports import MessageQueue
from orchestration.app import App
from orchestration.web.asking import ask
from orchestration.web.text import count_text, duration_text, when_text

NAMES: Final = {
    paths.FRAME_BATCHES: "Batches to submit",
    paths.FINISHED_BATCHES: "Finished batches",
    paths.BLOB_TRIGGER_POISON: "Failed five times: trigger files",
    paths.FRAME_BATCHES_POISON: "Failed five times: batches to submit",
    paths.FINISHED_BATCHES_POISON: "Failed five times: finished batches",
}
_STAY: Final = "if they stay, search its log for the cause."
POISON_REMEDIES: Final = {
    paths.BLOB_TRIGGER_POISON: "start_run failed. The function trigger_poisoned takes these messages and starts the"
    f" runs once the cause is gone; {_STAY}",
    paths.FRAME_BATCHES_POISON: "submit_batch failed. The function batch_poisoned takes these messages, and the sweep"
    f" tries again; {_STAY}",
    paths.FINISHED_BATCHES_POISON: "finish_batch failed. The function finish_poisoned takes these messages, and the"
    f" sweep tries again; {_STAY}",
}
DEAD_LETTERS_LISTED: Final = 1000


@dataclass(frozen=True, kw_only=True)
class QueueView:
    """A queue: about how many messages it has, since when the oldest waits, and what to do if there should be none."""

    name: str
    waiting: str
    oldest: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class DeadLetters:
    """Messages that are not ours: how many there are of which queue, when the last one came, and what to do."""

    count: str
    text: str
    command: str


def read_queues(app: App) -> Iterator[QueueView]:
    """Yield the work queues, then the poison queues. Costs two requests for each."""
    yield _queue(paths.FRAME_BATCHES, app.storage.frame_batches)
    yield _queue(paths.FINISHED_BATCHES, app.storage.finished_batches)
    for name, queue in app.poison.items():
        yield _queue(name, queue)


def _queue(name: str, queue: MessageQueue) -> QueueView:
    count, age = ask(queue.count), ask(queue.age_of_oldest)
    return QueueView(
        name=NAMES[name],
        waiting=count_text(count),
        oldest=_age_text(age) if count else "–",
        remedy=POISON_REMEDIES.get(name, "") if count else "",
    )


def _age_text(age: dt.timedelta | None) -> str:
    """Return the age of the first visible message; a dash if all of them are being worked on."""
    return duration_text(age.total_seconds()) if age else "–"


def read_dead_letters(app: App) -> DeadLetters | None:
    """Return the invalid messages that were set aside; None if there are none, or storage does not tell."""
    page = ask(lambda: app.storage.logs.page(paths.DEAD_LETTERS, limit=DEAD_LETTERS_LISTED))
    if page is None or not page.items:
        return None
    by_queue = Counter(item.name.removeprefix(paths.DEAD_LETTERS).partition("/")[0] for item in page.items)
    times = [item.created for item in page.items if item.created is not None]
    last = f" The last one came {when_text(max(times).isoformat(), app.clock.now())}." if times else ""
    queues = ", ".join(f"{count} from {queue}" for queue, count in by_queue.most_common())
    return DeadLetters(
        count=f"{len(page.items)}{'+' if page.marker else ''}",
        text=f"Not sent by Impasto, or damaged: {queues}.{last} No run waits for them. Look at them, find their"
        " sender, then delete them.",
        command="az storage blob download-batch --auth-mode login --account-name OPS_ACCOUNT --source logs "
        f"--pattern '{paths.DEAD_LETTERS}*' --destination .",
    )
