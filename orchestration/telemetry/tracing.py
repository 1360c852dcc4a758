"""Tracing port: one span per function invocation and per long run phase. The default implementation is a no-op.

Each span carries the run id, which is also the correlation id of log lines, messages and tasks.
`orchestration.telemetry.azure_monitor` exports spans and explains why they are children of the host's own spans.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from frame_tools.contracts.errors import InputError, VersionSkewError
from frame_tools.contracts.ids import RUN_ID
from frame_tools.contracts.messages import BatchMessage

PHASES: Final = frozenset({"split", "plan", "queue", "join"})
"""Actions on a run that take many storage or Batch calls; the others take a single small call and get no span."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One invocation of a function by the Functions host."""

    function: str
    invocation_id: str
    traceparent: str = ""
    """The host's span: https://www.w3.org/TR/trace-context"""
    tracestate: str = ""


class Span(Protocol):
    """An open span."""

    def annotate(self, run_id: str, batch: int | str | None = None) -> None:
        """Attach the run (and its step) to the span; ignores text that is not a run id."""


class Spans(Protocol):
    """Creates spans. An exception marks its span as failed and propagates."""

    def invocation(self, call: Invocation) -> AbstractContextManager[Span]:
        """Open the span of one function invocation."""

    def phase(self, action: str, run_id: str) -> AbstractContextManager[object]:
        """Open the span of one action on a run, if it is one of PHASES."""


class NoOpSpans:
    """Creates no spans; log lines carry the same information."""

    def annotate(self, run_id: str, batch: int | str | None = None) -> None:
        """Do nothing."""

    @contextmanager
    def invocation(self, call: Invocation) -> Iterator[Span]:
        """Open no span."""
        del call
        yield self

    @contextmanager
    def phase(self, action: str, run_id: str) -> Iterator[object]:
        """Open no span."""
        del action, run_id
        yield self


def run_attributes(run_id: str, batch: int | str | None = None) -> dict[str, int | str]:
    """Return the span attributes of a run; empty for text that is not a run id."""
    if not RUN_ID.fullmatch(run_id):
        return {}
    attributes: dict[str, int | str] = {"impasto.correlation_id": run_id, "impasto.run_id": run_id}
    return attributes if batch is None else attributes | {"impasto.batch": batch}


def annotate_from_message(span: Span, text: str) -> None:
    """Attach the run of a queue message to the span, if the message is valid."""
    try:
        message = BatchMessage.parse(text)
    except (InputError, VersionSkewError):
        return
    span.annotate(message.run_id, message.batch)
