"""Invokes a function once, from its inputs to its outputs, and logs start and end."""

import logging
import time
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from azure.core.exceptions import AzureError

from local_cloud.function_host.invocation.bindings import Bindings
from local_cloud.function_host.invocation.channel import Call
from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.values import Datum, InvocationResult, RetryContext
from local_cloud.function_host.invocation.worker import Worker
from local_cloud.function_host.storage.clients import short_error

_log = logging.getLogger(__name__)
_FIRST = RetryContext()


@dataclass(frozen=True)
class TriggerEvent:
    """What starts a function: the trigger's value, its metadata, and the names available to binding expressions."""

    datum: Datum
    reason: str
    metadata: Mapping[str, Datum] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)


class Invoker:
    """Invokes the functions of an app."""

    def __init__(self, worker: Worker, bindings: Bindings, *, timeout: timedelta | None) -> None:
        self._worker = worker
        self._bindings = bindings
        self._timeout = timeout

    async def invoke(self, function: Function, event: TriggerEvent, attempt: RetryContext = _FIRST) -> InvocationResult:
        """Invoke the function once and return the result; a failing input or output binding fails the call."""
        invocation_id, start = str(uuid.uuid4()), time.monotonic()
        _log.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, event.reason, invocation_id)
        outcome = await self._run(function, event, invocation_id=invocation_id, attempt=attempt)
        duration = (time.monotonic() - start) * 1000
        word, level = ("Succeeded", logging.INFO) if outcome.ok else ("Failed", logging.ERROR)
        _log.log(
            level, "Executed 'Functions.%s' (%s, Id=%s, Duration=%.0fms)", function.name, word, invocation_id, duration
        )
        if not outcome.ok:
            _log.error("Functions.%s %s\nException: %s\n%s", function.name, invocation_id, outcome.error, outcome.trace)
        return outcome

    async def _run(
        self, function: Function, event: TriggerEvent, *, invocation_id: str, attempt: RetryContext
    ) -> InvocationResult:
        try:
            inputs = [(binding.name, await self._bindings.read(binding, event.data)) for binding in function.inputs]
            call = Call(
                invocation_id,
                function,
                inputs=[(function.trigger.name, event.datum), *inputs],
                metadata=event.metadata,
                attempt=attempt,
            )
            outcome = await self._worker.call(call, timeout=self._timeout)
            if outcome.ok:
                await self._bindings.write(function, outcome, event.data)
        except AzureError as error:
            return InvocationResult(ok=False, error=f"storage of a binding failed: {short_error(error)}")
        except Exception as error:
            # Any other exception is the failure of this call and must not end the listener.
            return InvocationResult(ok=False, error=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        return outcome
