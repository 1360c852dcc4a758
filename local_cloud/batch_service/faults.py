"""What can be made to go wrong, by tests and by people who want to see it: POST /local/faults with one of these bodies.

``{"kind": "http_error", "status": 503, "retry_after": 1, "times": 2, "path_contains": "/jobs"}``
    The next ``times`` requests whose path contains the text are answered with the status (429, 500 or 503) and, if
    given, Retry-After in seconds; nothing else happens to them.
``{"kind": "partial_failure", "task_id": "b0007", "code": "ServerBusy", "times": 1}``
    This item of the next addtaskcollection fails with the code, the others are added; 5xx codes are ``ServerError``.
``{"kind": "preempt_node", "node": "local-gpu-0"}``
    The node's tasks are killed at once and go back to active; the node comes back a moment later under the same id
    with an empty folder. Without ``node``: the first node that runs a task, else the first.
``{"kind": "lose_node", "node": null}``
    The same, but the node is gone for good and a new one comes in its place.
``{"kind": "resize_error", "code": "AccountCoreQuotaReached", "message": "..."}``
    Pools show this resize error from now on, as after a resize that did not reach its target; an empty code ends it.
``{"kind": "preempt_when", "task_id": "b0007", "after_output": "frame 3"}``
    The task's node is preempted as soon as the regular expression finds something in its standard output; once.
``{"kind": "kill_when", "task_id": "b0007", "after_output": "frame 3"}``
    At such a word the task's process is killed, as the kernel does for want of memory (exit code 137); once.

GET /local/faults shows those that are still to come, DELETE /local/faults forgets them. No authorization is asked.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from local_cloud.batch_service.contracts.errors import STATUS_AND_MESSAGE, from_validation
from local_cloud.batch_service.contracts.serialization import WireModel

_CODE_OF_STATUS = {429: "TooManyRequests", 500: "InternalError", 503: "ServerBusy"}


def _check_code(code: str) -> str:
    if code not in STATUS_AND_MESSAGE:
        raise ValueError(f"unknown error code; known: {', '.join(sorted(STATUS_AND_MESSAGE))}")
    return code


def _check_regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return text


class _Fault(WireModel):
    model_config = WireModel.model_config | {"alias_generator": None}


class HttpError(_Fault):
    """An answer instead of the operation."""

    kind: Literal["http_error"]
    status: Literal[429, 500, 503]
    retry_after: Annotated[int, Field(ge=0)] | None = None
    times: Annotated[int, Field(ge=1)] = 1
    path_contains: str = ""

    @property
    def code(self) -> str:
        """The error code that goes with the status."""
        return _CODE_OF_STATUS[self.status]


class PartialFailure(_Fault):
    """A failing item of addtaskcollection."""

    kind: Literal["partial_failure"]
    task_id: str
    code: Annotated[str, AfterValidator(_check_code)]
    times: Annotated[int, Field(ge=1)] = 1


class PreemptNode(_Fault):
    """An eviction, now."""

    kind: Literal["preempt_node"]
    node: str | None = None


class LoseNode(_Fault):
    """A loss, now."""

    kind: Literal["lose_node"]
    node: str | None = None


class ResizeFailure(_Fault):
    """A resize error, now and until it is taken back."""

    kind: Literal["resize_error"]
    code: str
    message: str = ""


class OutputTrigger(_Fault):
    """An end at a word of a task: of its node, or of its process alone."""

    kind: Literal["preempt_when", "kill_when"]
    task_id: str
    after_output: Annotated[str, AfterValidator(_check_regex)]


Fault = Annotated[
    HttpError | PartialFailure | PreemptNode | LoseNode | ResizeFailure | OutputTrigger, Field(discriminator="kind")
]
_READER: TypeAdapter[Fault] = TypeAdapter(Fault)


def read_fault(body: object) -> Fault:
    """Check a fault.

    Raises:
        BatchError: 400, with what is wrong.
    """
    try:
        return _READER.validate_python(body)
    except ValidationError as error:
        raise from_validation(error.errors()) from error


class Faults:
    """The faults that wait for their moment."""

    def __init__(self) -> None:
        self._waiting: list[HttpError | PartialFailure | OutputTrigger] = []

    def add(self, fault: HttpError | PartialFailure | OutputTrigger) -> None:
        """Arm a fault."""
        self._waiting.append(fault)

    def pending(self) -> list[HttpError | PartialFailure | OutputTrigger]:
        """Return the faults that are still to come, oldest first."""
        return list(self._waiting)

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting.clear()

    def consume_http_error(self, path: str) -> HttpError | None:
        """Return the fault that this request meets, and count it."""
        for fault in self._waiting:
            if isinstance(fault, HttpError) and fault.path_contains in path:
                self._count_down(fault)
                return fault
        return None

    def consume_partial_failure(self, task_id: str) -> str | None:
        """Return the error code that this item meets, and count it."""
        for fault in self._waiting:
            if isinstance(fault, PartialFailure) and fault.task_id == task_id:
                self._count_down(fault)
                return fault.code
        return None

    def match_output(self, task_id: str, output: str) -> OutputTrigger | None:
        """Return the end that a task's output so far brings about, if one does."""
        for fault in self._waiting:
            if isinstance(fault, OutputTrigger) and fault.task_id == task_id and re.search(fault.after_output, output):
                return fault
        return None

    def remove(self, fault: OutputTrigger) -> None:
        """Forget a fault: it has come about."""
        self._waiting.remove(fault)

    def _count_down(self, fault: HttpError | PartialFailure) -> None:
        index = self._waiting.index(fault)
        if fault.times == 1:
            del self._waiting[index]
        else:
            self._waiting[index] = fault.model_copy(update={"times": fault.times - 1})
