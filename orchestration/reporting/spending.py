"""What runs have cost, by day and in this month: an estimate, from the list of runs alone.

Each entry of the list has the cost that the run's report states, at list prices. Azure's bill also has what no run
causes: storage at rest, the registry, the network.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts.answers import RunRow
from frame_tools.contracts.calls import RunsQuery
from orchestration.app import App
from orchestration.documents import parse_time
from orchestration.reporting.listing import list_page

DAYS: Final = 30
PAGE_RUNS: Final = 1000
MAX_PAGES: Final = 5
"""Pages of the list that are read at most, two requests each."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """The runs that ended on a day (UTC), and what they cost in US dollars."""

    date: dt.date
    runs: int
    usd: float


@dataclass(frozen=True, kw_only=True)
class Spending:
    """Dollars by day, oldest first, the last of which is today, and of the month so far."""

    days: tuple[Day, ...]
    month_usd: float
    is_complete: bool
    """False if there are more runs than are read; then the oldest days are too low."""

    @property
    def usd(self) -> float:
        """What all days cost."""
        return sum(day.usd for day in self.days)

    @property
    def runs(self) -> int:
        """Runs that ended in all days."""
        return sum(day.runs for day in self.days)

    @property
    def highest(self) -> Day:
        """The day that cost most."""
        return max(self.days, key=lambda day: day.usd)


def read_spending(app: App) -> Spending:
    """Return what the runs of the last days, and of this month, have cost. Costs at most ten requests."""
    today = app.clock.now().date()
    first = today - dt.timedelta(days=DAYS - 1)
    begin = min(first, today.replace(day=1))
    rows, is_complete = _rows_since(app, begin)
    runs: dict[dt.date, int] = defaultdict(int)
    usd: dict[dt.date, float] = defaultdict(float)
    for row in rows:
        ended = parse_time(row.ended_at)
        if ended is not None:
            runs[ended.date()] += 1
            usd[ended.date()] += row.cost_usd or 0.0
    dates = [first + dt.timedelta(days=number) for number in range(DAYS)]
    return Spending(
        days=tuple(Day(date=date, runs=runs[date], usd=usd[date]) for date in dates),
        month_usd=sum(cost for date, cost in usd.items() if (date.year, date.month) == (today.year, today.month)),
        is_complete=is_complete,
    )


def _rows_since(app: App, begin: dt.date) -> tuple[list[RunRow], bool]:
    """Return the runs that may have ended since a day, and whether these are all.

    A run is listed by the time at which it was received, and may take as long as its time limit.
    """
    since = dt.datetime.combine(begin, dt.time(), dt.UTC) - app.run_limit
    rows: list[RunRow] = []
    after: str | None = None
    for page in _pages(app, since):
        rows += page[0]
        after = page[1]
    return rows, after is None


def _pages(app: App, since: dt.datetime) -> Iterator[tuple[tuple[RunRow, ...], str | None]]:
    after: str | None = None
    for _ in range(MAX_PAGES):
        page = list_page(app, RunsQuery(limit=PAGE_RUNS, since=since, after=after))
        after = page.next
        yield page.runs, after
        if after is None:
            return
