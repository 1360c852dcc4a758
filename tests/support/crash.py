"""Crash injection: an app whose process dies after a given number of writes to storage and Batch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from frame_tools.contracts.messages import BatchMessage
from orchestration.app import App
from tests.support.interception import intercept


class SimulatedCrash(BaseException):
    """The process has died. Derived from BaseException, so that no handler catches it."""


@dataclass
class CrashPoint:
    """Counts writes and raises SimulatedCrash on every write after the first `writes`."""

    writes: int
    done: int = 0

    def counted(self, write: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Perform a write, unless the process is dead; a write that changed nothing (False) does not count."""
        if self.done >= self.writes:
            raise SimulatedCrash
        result = write(*args, **options)
        if result is not False:
            self.done += 1
        return result

    def container(self, container: Any) -> Any:
        """Return the container with its writes counted."""

        def block_writer(original: Callable[[str], Any], name: str) -> Any:
            return intercept(original(name), stage=self.counted, commit=self.counted)

        methods = ("write", "create", "delete", "append")
        return intercept(container, **dict.fromkeys(methods, self.counted), block_writer=block_writer)

    def queue(self, queue: Any) -> Any:
        """Return the queue with each sent message counted."""

        def send_all(original: Callable[..., Any], messages: Iterable[BatchMessage]) -> None:
            del original
            for message in messages:
                self.counted(queue.send, message)

        return intercept(queue, send=self.counted, send_all=send_all)

    def batch(self, batch: Any) -> Any:
        """Return the Batch service with its writes counted."""
        methods = ("ensure_job", "add_task", "add_tasks", "reactivate", "terminate_job")
        return intercept(batch, **dict.fromkeys(methods, self.counted))


def crash_after(app: App, writes: int) -> App:
    """Return the app as a process that dies after `writes` writes."""
    crash = CrashPoint(writes)
    services = {item.name: getattr(app.storage, item.name) for item in fields(app.storage)}
    wrapped = {
        name: crash.queue(service) if hasattr(service, "send") else crash.container(service)
        for name, service in services.items()
    }
    return replace(app, storage=replace(app.storage, **wrapped), batch=crash.batch(app.batch))
