"""The containers and queues of a deployment, opened from settings: what app, node and command line all work on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from frame_tools.contracts import paths
from frame_tools.storage.accounts import DATA, OPS, Account, account_from
from frame_tools.storage.blobs import BlobAccount, Container, container_at
from frame_tools.storage.queues import Queue, QueueAccount
from frame_tools.storage.sas import GRANTS, is_guest


@dataclass(frozen=True, kw_only=True)
class DataStorage:
    """What a person outside can reach: write into two containers, read one."""

    input: Container
    triggers: Container
    output: Container

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Open what the setting DATA, or a guest's signed URLs, name; nothing is sent yet."""
        if is_guest(environ):
            return cls(**{door.container: container_at(environ[door.setting]) for door in GRANTS})
        blobs = BlobAccount(account_from(environ, DATA))
        return cls(
            input=blobs.container(paths.INPUT),
            triggers=blobs.container(paths.TRIGGERS),
            output=blobs.container(paths.OUTPUT),
        )


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Both accounts' containers, and the two queues that carry work."""

    input: Container
    triggers: Container
    work: Container
    output: Container
    runs: Container
    logs: Container
    scripts: Container
    """Programs that the operator allowed as scorers; the app never reads it."""
    frame_batches: Queue
    finished_batches: Queue

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Open what the settings DATA and OPS name; nothing is sent yet."""
        return cls.open(data=account_from(environ, DATA), ops=account_from(environ, OPS))

    @classmethod
    def open(cls, *, data: Account, ops: Account) -> Self:
        """Open two accounts; nothing is sent yet."""
        data_blobs, ops_blobs, queues = BlobAccount(data), BlobAccount(ops), QueueAccount(ops)
        return cls(
            input=data_blobs.container(paths.INPUT),
            triggers=data_blobs.container(paths.TRIGGERS),
            work=data_blobs.container(paths.WORK),
            output=data_blobs.container(paths.OUTPUT),
            runs=ops_blobs.container(paths.RUNS),
            logs=ops_blobs.container(paths.LOGS),
            scripts=ops_blobs.container(paths.SCRIPTS),
            frame_batches=queues.queue(paths.FRAME_BATCHES),
            finished_batches=queues.queue(paths.FINISHED_BATCHES),
        )

    def ensure(self) -> None:
        """Create what is missing (local use; in Azure the templates make them)."""
        for container in (self.input, self.triggers, self.work, self.output, self.runs, self.logs, self.scripts):
            container.ensure()
        for queue in (self.frame_batches, self.finished_batches):
            queue.ensure()

    def data_container(self, name: str) -> Container:
        """Return the container that a BlobRef of a plan names."""
        return {paths.INPUT: self.input, paths.WORK: self.work}[name]
