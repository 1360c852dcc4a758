"""What is told of each call of a function, and of a run's long steps inside it, as spans; nowhere unless it is set up.

Each span carries the run's id, which is the correlation id of its log lines, messages and tasks. Where spans go to, and
why they are children of the host's own, stands in `orchestration.telemetry.azure_monitor`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.ids import RUN_ID
from frame_tools.contracts.messages import parse_message

PHASES: Final = frozenset({"split", "plan", "queue", "join"})
"""Steps of a run that wait for storage or Batch for long; the others are over in one small call."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One call of a function by the host."""

    function: str
    invocation_id: str
    traceparent: str = ""
    """The host's own span: https://www.w3.org/TR/trace-context"""
    tracestate: str = ""


class Span(Protocol):
    """A span that is under way."""

    def about(self, run_id: str, batch: int | str | None = None) -> None:
        """Say which run (and step of it) the call is about; a text that is no run's id is left out."""


class Spans(Protocol):
    """Makes spans; an error ends a span as failed and goes on."""

    def invocation(self, call: Invocation) -> AbstractContextManager[Span]:
        """Span one call of a function."""

    def phase(self, verb: str, run_id: str) -> AbstractContextManager[object]:
        """Span one step of a run, if it is one of PHASES."""


class NoSpans:
    """Tells nothing: the log lines say it all."""

    def about(self, run_id: str, batch: int | str | None = None) -> None:
        """Tell nothing."""

    @contextmanager
    def invocation(self, call: Invocation) -> Iterator[Span]:
        """Span nothing."""
        del call
        yield self

    @contextmanager
    def phase(self, verb: str, run_id: str) -> Iterator[object]:
        """Span nothing."""
        del verb, run_id
        yield self


def attributes_of(run_id: str, batch: int | str | None = None) -> dict[str, int | str]:
    """Return what a span says of its run; nothing for a text that is no run's id."""
    if not RUN_ID.fullmatch(run_id):
        return {}
    about: dict[str, int | str] = {"impasto.correlation_id": run_id, "impasto.run_id": run_id}
    return about if batch is None else about | {"impasto.batch": batch}


def about_message(span: Span, text: str) -> None:
    """Say which run a queue message is about, if it is one of ours."""
    try:
        message = parse_message(text)
    except InputError:
        return
    span.about(message.run_id, message.batch)
