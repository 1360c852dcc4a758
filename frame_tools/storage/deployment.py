"""The containers and queues of a deployment, opened from settings by the app, the nodes and the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from frame_tools.contracts import paths
from frame_tools.storage.accounts import DATA, OPS, Account, account_from
from frame_tools.storage.blobs import BlobAccount, container_at
from frame_tools.storage.patience import BACKGROUND, Patience
from frame_tools.storage.ports import BlobContainer, MessageQueue
from frame_tools.storage.queues import QueueAccount
from frame_tools.storage.sas import GRANTS, has_sas_urls


@dataclass(frozen=True, kw_only=True)
class DataStorage:
    """The containers that a user can access: two to write to, one to read from."""

    input: BlobContainer
    triggers: BlobContainer
    output: BlobContainer

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Open the containers named by the setting DATA or by SAS URLs; sends no request."""
        if has_sas_urls(environ):
            return cls(**{grant.container: container_at(environ[grant.setting]) for grant in GRANTS})
        blobs = BlobAccount(account_from(environ, DATA))
        return cls(
            input=blobs.container(paths.INPUT),
            triggers=blobs.container(paths.TRIGGERS),
            output=blobs.container(paths.OUTPUT),
        )


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The containers of both accounts and the two work queues."""

    input: BlobContainer
    triggers: BlobContainer
    work: BlobContainer
    output: BlobContainer
    runs: BlobContainer
    logs: BlobContainer
    scripts: BlobContainer
    """Programs that the operator allows as scorers, and their list, which is all that the app reads of it."""
    hashes: BlobContainer
    """Hashes of the requests and plans that the app has made; nodes can only read them."""
    frame_batches: MessageQueue
    finished_batches: MessageQueue

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], patience: Patience = BACKGROUND) -> Self:
        """Open the accounts named by the settings DATA and OPS; sends no request."""
        return cls.open(data=account_from(environ, DATA), ops=account_from(environ, OPS), patience=patience)

    @classmethod
    def open(cls, *, data: Account, ops: Account, patience: Patience = BACKGROUND) -> Self:
        """Open two accounts; sends no request."""
        data_blobs, ops_blobs = BlobAccount(data, patience), BlobAccount(ops, patience)
        queues = QueueAccount(ops, patience)
        return cls(
            input=data_blobs.container(paths.INPUT),
            triggers=data_blobs.container(paths.TRIGGERS),
            work=data_blobs.container(paths.WORK),
            output=data_blobs.container(paths.OUTPUT),
            runs=ops_blobs.container(paths.RUNS),
            logs=ops_blobs.container(paths.LOGS),
            scripts=ops_blobs.container(paths.SCRIPTS),
            hashes=ops_blobs.container(paths.HASHES),
            frame_batches=queues.queue(paths.FRAME_BATCHES),
            finished_batches=queues.queue(paths.FINISHED_BATCHES),
        )

    def ensure(self) -> None:
        """Create missing containers and queues (for local use; in Azure the templates create them)."""
        for container in (self.input, self.triggers, self.work, self.output):
            container.ensure()
        for container in (self.runs, self.logs, self.scripts, self.hashes):
            container.ensure()
        for queue in (self.frame_batches, self.finished_batches):
            queue.ensure()

    def data_container(self, name: str) -> BlobContainer:
        """Return the container that a BlobRef in a plan names."""
        return {paths.INPUT: self.input, paths.WORK: self.work}[name]


def poison_queues(environ: Mapping[str, str], patience: Patience = BACKGROUND) -> dict[str, MessageQueue]:
    """Return the queues of messages on which a function failed five times, by name; sends no request.

    Locally the queue of the blob trigger is in the data account; in Azure the settings name the ops account.
    """
    data = QueueAccount(account_from(environ, DATA), patience)
    ops = QueueAccount(account_from(environ, OPS), patience)
    return {
        paths.BLOB_TRIGGER_POISON: data.queue(paths.BLOB_TRIGGER_POISON),
        paths.FRAME_BATCHES_POISON: ops.queue(paths.FRAME_BATCHES_POISON),
        paths.FINISHED_BATCHES_POISON: ops.queue(paths.FINISHED_BATCHES_POISON),
    }


def ensure_poison_queues(environ: Mapping[str, str]) -> None:
    """Create missing poison queues (for local use): without them the Functions host logs a warning at every poll."""
    for queue in poison_queues(environ).values():
        queue.ensure()
