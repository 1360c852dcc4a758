"""Timer triggers: run a function on its schedule, in one of several hosts.

With its status blob, an occurrence that was missed while no host ran is made up for once at startup, marked past due.
A failing function does not stop its schedule; `@app.retry` repeats it.
Source: Azure/azure-webjobs-sdk-extensions, src/WebJobs.Extensions/Extensions/Timers
"""

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import AzureError

from local_cloud.function_host.async_wait import wait_for_any
from local_cloud.function_host.config.settings import HostSettings
from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.invoker import Invoker, TriggerEvent
from local_cloud.function_host.invocation.values import RetryContext, json_datum
from local_cloud.function_host.storage.clients import Storage, short_error
from local_cloud.function_host.triggers.timer.ncrontab import Schedule
from local_cloud.function_host.triggers.timer.status import NEVER, TimerStatus, TimerStatusStore

# The real host keeps no status for timers that fire more often.
_MIN_MONITORED_INTERVAL = timedelta(minutes=1)
# Sleeps are limited, so that a changed clock or a suspended machine is noticed.
_MAX_SLEEP_SECONDS = 30.0
_RETRY_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Timer:
    """A function with a timer trigger."""

    def __init__(self, function: Function, invoker: Invoker, *, settings: HostSettings, storage: Storage) -> None:
        """Read the trigger. Raises ScheduleError or ExpressionError."""
        arguments = function.trigger.arguments
        self.function = function
        self._invoker = invoker
        self._schedule = Schedule.parse(settings.resolve(arguments["schedule"]))
        self._run_on_startup = bool(arguments.get("runOnStartup", False))
        is_monitorable = not self._schedule.is_more_often_than(_MIN_MONITORED_INTERVAL, _now())
        monitored = is_monitorable and arguments.get("useMonitor", True)
        self._monitor = TimerStatusStore(storage, settings.host_id, function.host_name) if monitored else None

    async def run(self, stopping: asyncio.Event) -> None:
        """Fire at each occurrence until `stopping` is set; return after a running call has ended."""
        try:
            status = await self._initial_status()
        except AzureError as error:
            _log.warning("Timer %s cannot read its status, retrying: %s", self.function.name, short_error(error))
            await wait_for_any(stopping, timeout=_RETRY_SECONDS)
            return
        past_due = status.next < _now()
        run_now = past_due or self._run_on_startup
        self._run_on_startup = False  # once per host, not each time its lock is acquired
        while run_now or await _sleep_until(status.next, stopping):
            await self.fire(status, past_due=past_due)
            last = _now() if run_now else max(_now(), status.next)
            status = TimerStatus(last, self._schedule.next_after(last), updated=last)
            past_due = run_now = False
            if self._monitor is not None:
                await self._monitor.write(status)

    async def fire(self, status: TimerStatus | None, *, past_due: bool) -> None:
        """Call the function now, with its retries; `status` None means a manual call outside the schedule."""
        record = status.to_record() if status is not None and self._monitor is not None else None
        value = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": record, "IsPastDue": past_due}
        event = TriggerEvent(json_datum(value), reason=f"Timer fired at {_now().isoformat()}")
        policy, retry = self.function.retry, 0
        attempts = policy.max_retries if policy is not None else 0
        while not (await self._invoker.invoke(self.function, event, RetryContext(retry, attempts))).ok:
            retry += 1
            if policy is None or not policy.allows(retry):
                return
            spread = random.uniform(0.8, 1.2)  # noqa: S311 - as in the real host, not a secret
            await asyncio.sleep(policy.delay(retry, spread).total_seconds())

    async def _initial_status(self) -> TimerStatus:
        """Return the recorded status, or a new one if there is none or the schedule has changed. Raises AzureError."""
        recorded = await self._monitor.read() if self._monitor is not None else None
        if recorded is not None and self._schedule.next_after(recorded.updated) == recorded.next:
            return recorded
        now = _now()
        status = TimerStatus(NEVER, self._schedule.next_after(now), updated=now)
        if self._monitor is not None:
            await self._monitor.write(status)
        return status


async def _sleep_until(moment: datetime, stopping: asyncio.Event) -> bool:
    """Sleep until `moment`. Return False if `stopping` is set first."""
    while not stopping.is_set():
        left = (moment - _now()).total_seconds()
        if left <= 0:
            return True
        await wait_for_any(stopping, timeout=min(left, _MAX_SLEEP_SECONDS))
    return False


def _now() -> datetime:
    return datetime.now(UTC)
