"""The invoker: runs one function once, from its inputs to its outputs, and says so in the log.

A function that outlives host.json's functionTimeout ends the host: a running Python thread cannot be killed. The real
host restarts its worker process for the same reason; whatever it held comes back by itself.
"""

import asyncio
import logging
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from azure.core.exceptions import AzureError

from local_cloud.function_host.console import Console
from local_cloud.function_host.invocation.bindings import Bindings
from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.worker import Datum, InvocationResult, RetryContext, Worker
from local_cloud.function_host.storage.clients import short_error

_log = logging.getLogger(__name__)
_FIRST = RetryContext()


@dataclass(frozen=True)
class TriggerEvent:
    """What starts a function: the trigger's value, what its library reads beside it, and what paths may name."""

    datum: Datum
    reason: str
    metadata: Mapping[str, Datum] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)


class Invoker:
    """Runs the functions of one app."""

    def __init__(
        self,
        worker: Worker,
        bindings: Bindings,
        *,
        console: Console,
        timeout: timedelta | None,
        on_timeout: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._bindings = bindings
        self._console = console
        self._timeout = timeout
        self._on_timeout = on_timeout

    async def invoke(self, function: Function, event: TriggerEvent, attempt: RetryContext = _FIRST) -> InvocationResult:
        """Run the function once; inputs that cannot be read or outputs that cannot be written fail the call."""
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
            inputs = [(one.name, await self._bindings.read(one, event.data)) for one in function.inputs]
            with self._console.invocation(invocation_id, function.name):
                outcome = await self._call(function, event, inputs=inputs, invocation_id=invocation_id, attempt=attempt)
            if outcome.ok:
                await self._bindings.write(function, outcome, event.data)
        except AzureError as error:
            return InvocationResult(ok=False, error=f"a binding's storage failed: {short_error(error)}")
        except Exception as error:
            # Whatever else breaks around one call is that call's failure, and must not end the listener.
            return InvocationResult(ok=False, error=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        return outcome

    async def _call(
        self,
        function: Function,
        event: TriggerEvent,
        *,
        inputs: list[tuple[str, Datum | None]],
        invocation_id: str,
        attempt: RetryContext,
    ) -> InvocationResult:
        try:
            async with asyncio.timeout(None if self._timeout is None else self._timeout.total_seconds()):
                return await self._worker.call(
                    function,
                    invocation_id,
                    inputs=[(function.trigger.name, event.datum), *inputs],
                    metadata=event.metadata,
                    attempt=attempt,
                )
        except TimeoutError:
            _log.critical(
                "Functions.%s %s has run for %s (functionTimeout) and cannot be stopped: the host ends."
                " Raise functionTimeout in host.json or do less in one call.",
                function.name,
                invocation_id,
                self._timeout,
            )
            self._on_timeout()
            # Nothing of this call may be settled any more: as in Azure, its message comes back by itself.
            return await asyncio.Future()
