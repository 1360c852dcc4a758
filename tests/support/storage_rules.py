"""Rules of the storage proxy: random errors, outages, and limits of Azure Storage that Azurite does not have."""

import asyncio
import random
import time
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime, timedelta

from aiohttp import web

from tests.support.storage_proxy import ConnectionAbort, Forward

SPOILS = ("busy_before", "busy_after", "reset_before", "reset_after", "delay")


def error(status: int, code: str) -> web.Response:
    """Return an error of Azure Storage."""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return web.Response(status=status, text=body, content_type="application/xml", headers={"x-ms-error-code": code})


class RandomSpoils:
    """Spoils one of `one_in` answers while it is on; "after" means that the request has been executed.

    The second kind is the harder one: the write has happened, but the client receives an error and retries. Seeded, so
    that a failure can be reproduced.
    """

    def __init__(self, seed: int, *, one_in: int = 40, kinds: tuple[str, ...] = SPOILS, is_on: bool = True) -> None:
        self.is_on = is_on
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._one_in = one_in
        self._kinds = kinds

    async def __call__(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        if not self.is_on or self._random.randrange(self._one_in):
            return await forward()
        kind = self._random.choice(self._kinds)
        self.counts[kind] += 1
        if kind == "delay":
            await asyncio.sleep(self._random.uniform(0.2, 2.0))
            return await forward()
        if kind.endswith("after"):
            await forward()
        else:
            await request.read()
        if kind.startswith("reset"):
            raise ConnectionAbort
        return error(503, "ServerBusy")


class Outage:
    """Closes every connection until a moment of the monotonic clock."""

    def __init__(self) -> None:
        self.until = 0.0

    async def __call__(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        if time.monotonic() < self.until:
            raise ConnectionAbort
        return await forward()


class SasPolicy:
    """Refuses signed URLs whose validity is longer than the account allows (sasExpirationPeriod with action Block).

    A URL without a start is refused, too: that is a choice of this rule.
    """

    def __init__(self, period: timedelta) -> None:
        self._period = period

    async def __call__(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        query = request.query
        if "sig" not in query:
            return await forward()
        start, end = query.get("st"), query.get("se")
        if start is None or end is None or _time(end) - _time(start) > self._period:
            return error(403, "AuthorizationFailure")
        return await forward()


class RateLimit:
    """Answers 503 ServerBusy above a number of requests per second to one blob or queue."""

    def __init__(self, per_second: int) -> None:
        self.refused = 0
        self._per_second = per_second
        self._times: dict[str, deque[float]] = defaultdict(deque)

    async def __call__(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        now, times = time.monotonic(), self._times[request.path]
        while times and now - times[0] > 1:
            times.popleft()
        if len(times) >= self._per_second:
            self.refused += 1
            return error(503, "ServerBusy")
        times.append(now)
        return await forward()


class AppendLimit:
    """Refuses appends to a blob that has this many blocks; in Azure 50,000."""

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks
        self._appended: Counter[str] = Counter()

    async def __call__(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        if request.query.get("comp") == "appendblock":
            if self._appended[request.path] >= self._blocks:
                return error(409, "BlockCountExceedsLimit")
            self._appended[request.path] += 1
        return await forward()


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
