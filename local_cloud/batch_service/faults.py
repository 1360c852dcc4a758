"""Fault injection, for tests and demonstrations: POST one of these bodies to /local/faults.

`{"kind": "http_error", "status": 503, "retry_after": 1, "times": 2, "path_contains": "/jobs"}`
    The next `times` requests whose path contains the text get this status (429, 500 or 503) and, if set, Retry-After
    in seconds; they have no other effect. `code` in place of `status` selects any error of the service, for example
    ActiveJobAndScheduleQuotaReached (409); `method` and `path` restrict the fault to one method and one exact path.
`{"kind": "partial_failure", "task_id": "b0007", "code": "ServerBusy", "times": 1}`
    This item of the next addtaskcollection fails with the code, the others are added; 5xx codes are `ServerError`.
`{"kind": "preempt_node", "node": "local-gpu-0"}`
    The node's tasks are killed at once and become active again; the node returns a moment later with the same id and
    an empty directory. Without `node`: the first node that runs a task, else the first node.
`{"kind": "lose_node", "node": null}`
    The same, but the node is gone for good and a new node replaces it.
`{"kind": "resize_error", "code": "AccountCoreQuotaReached", "message": "..."}`
    Pools show this resize error from now on, as after a resize that missed its target; an empty code removes it.
`{"kind": "preempt_when", "task_id": "b0007", "after_output": "frame 3"}`
    The task's node is preempted once, as soon as the regular expression matches in its standard output.
`{"kind": "kill_when", "task_id": "b0007", "after_output": "frame 3"}`
    When the expression matches, the task's process is killed once, as by an out-of-memory killer (exit code 137).
`{"kind": "hold_tasks", "after": 1}`
    `after` more tasks start; all others stay active, as where no node has a free slot, until the fault is removed.

GET /local/faults lists the pending faults, DELETE /local/faults removes them. These routes need no authorization.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from local_cloud.batch_service.contracts.errors import STATUS_AND_MESSAGE, from_validation
from local_cloud.batch_service.contracts.serialization import WireModel

_CODE_OF_STATUS = {429: "TooManyRequests", 500: "InternalError", 503: "ServerBusy"}


def _check_code(code: str) -> str:
    if code not in STATUS_AND_MESSAGE:
        raise ValueError(f"unknown error code; valid codes: {', '.join(sorted(STATUS_AND_MESSAGE))}")
    return code


def _check_regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


class _Fault(WireModel):
    model_config = WireModel.model_config | {"alias_generator": None}


class HttpError(_Fault):
    """A response that replaces the operation."""

    kind: Literal["http_error"]
    status: Literal[429, 500, 503] | None = None
    code: Annotated[str, AfterValidator(_check_code)] | None = None
    retry_after: Annotated[int, Field(ge=0)] | None = None
    times: Annotated[int, Field(ge=1)] = 1
    method: str | None = None
    path: str | None = None
    path_contains: str = ""

    @model_validator(mode="after")
    def _check_status_or_code(self) -> "HttpError":
        if (self.status is None) == (self.code is None):
            raise ValueError("set either status or code")
        return self

    @property
    def error_code(self) -> str:
        """The error code of the response."""
        return self.code or _CODE_OF_STATUS[self.status or 500]

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request gets this error."""
        return self.path_contains in path and self.method in (None, method) and self.path in (None, path)


class PartialFailure(_Fault):
    """A failing item of addtaskcollection."""

    kind: Literal["partial_failure"]
    task_id: str
    code: Annotated[str, AfterValidator(_check_code)]
    times: Annotated[int, Field(ge=1)] = 1


class PreemptNode(_Fault):
    """An immediate preemption of a node."""

    kind: Literal["preempt_node"]
    node: str | None = None


class LoseNode(_Fault):
    """An immediate loss of a node."""

    kind: Literal["lose_node"]
    node: str | None = None


class ResizeFailure(_Fault):
    """A resize error that stays until it is removed."""

    kind: Literal["resize_error"]
    code: str
    message: str = ""


class OutputTrigger(_Fault):
    """A preemption or a process kill that is triggered by a task's output."""

    kind: Literal["preempt_when", "kill_when"]
    task_id: str
    after_output: Annotated[str, AfterValidator(_check_regex)]


class HoldTasks(_Fault):
    """Free slots that stay free after some more tasks."""

    kind: Literal["hold_tasks"]
    after: Annotated[int, Field(ge=0)] = 0


LastingFault = HttpError | PartialFailure | OutputTrigger | HoldTasks
"""A fault that stays pending, until it has occurred or is removed."""

Fault = Annotated[LastingFault | PreemptNode | LoseNode | ResizeFailure, Field(discriminator="kind")]
_READER: TypeAdapter[Fault] = TypeAdapter(Fault)


def read_fault(body: object) -> Fault:
    """Validate a fault. Raises BatchError (400) with the reason."""
    try:
        return _READER.validate_python(body)
    except ValidationError as error:
        raise from_validation(error.errors()) from error


class Faults:
    """The pending faults."""

    def __init__(self) -> None:
        self._waiting: list[LastingFault] = []

    def add(self, fault: LastingFault) -> None:
        """Add a fault."""
        self._waiting.append(fault)

    def pending(self) -> list[LastingFault]:
        """Return the pending faults, oldest first."""
        return list(self._waiting)

    def clear(self) -> None:
        """Remove all faults."""
        self._waiting.clear()

    def consume_http_error(self, method: str, path: str) -> HttpError | None:
        """Return the fault for a request and count it; None if there is none."""
        for fault in self._waiting:
            if isinstance(fault, HttpError) and fault.matches(method, path):
                self._count_down(fault)
                return fault
        return None

    def consume_partial_failure(self, task_id: str) -> str | None:
        """Return the error code for this item and count it; None if there is none."""
        for fault in self._waiting:
            if isinstance(fault, PartialFailure) and fault.task_id == task_id:
                self._count_down(fault)
                return fault.code
        return None

    def may_start_task(self) -> bool:
        """Return whether one more task may start, and count it where the number is limited."""
        for index, fault in enumerate(self._waiting):
            if isinstance(fault, HoldTasks):
                self._waiting[index] = fault.model_copy(update={"after": max(0, fault.after - 1)})
                return fault.after > 0
        return True

    def match_output(self, task_id: str, output: str) -> OutputTrigger | None:
        """Return the fault that a task's output so far triggers, or None."""
        for fault in self._waiting:
            if isinstance(fault, OutputTrigger) and fault.task_id == task_id and re.search(fault.after_output, output):
                return fault
        return None

    def remove(self, fault: OutputTrigger) -> None:
        """Remove a fault that has occurred."""
        self._waiting.remove(fault)

    def _count_down(self, fault: HttpError | PartialFailure) -> None:
        index = self._waiting.index(fault)
        if fault.times == 1:
            del self._waiting[index]
        else:
            self._waiting[index] = fault.model_copy(update={"times": fault.times - 1})
