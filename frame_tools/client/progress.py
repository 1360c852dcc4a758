"""Progress bars: one line a stage, drawn on a terminal, silent otherwise; and what must be told meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Bars:
    """Named stages, each with what is done and what there is to do."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, stage: str, done: int, of: int | None) -> None:
        """Show a stage's state; None for an amount that is not known yet."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=of)
        self._progress.update(self._tasks[stage], completed=done, total=of)

    def tell(self, words: str) -> None:
        """Say something above the bars, on a terminal or not."""
        self._progress.console.print(words, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def bars(console: Console) -> Iterator[Bars]:
    """Draw bars on `console` until the block ends."""
    columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Bars(progress)
