"""Print what handlers cost by the size of a run and the number of runs.

    .venv/bin/python -m benchmarks.scale [--only planning]

Requests are counted below the real storage SDK, which a service in memory answers; Batch is in memory, too. Each case
runs in a process of its own. CPU seconds are this process's without the service and depend on the machine; all counts
are exact. The last column is what a function near its storage would take: requests that follow each other at 10 ms
each, and CPU.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby

from benchmarks.scale.cases import CASES, Case, measure_case
from benchmarks.scale.figures import POOLS, Figures

KINDS = ("read", "head", "list", "write", "send")
HEADER = ("", "requests", *KINDS, "other", "serial", "Batch", "MB received", "CPU s", "peak +MB", "at 10 ms, s")


def line(case: Case, figures: Figures) -> tuple[str, ...]:
    """Return the cells of a case."""
    requests = figures.requests
    kinds = [requests.kinds[kind] for kind in KINDS]
    counts = (requests.total, *kinds, requests.total - sum(kinds), requests.serial(POOLS), figures.batch_calls)
    return (
        case.name,
        *(f"{count:,}" for count in counts),
        f"{requests.received / 1e6:.1f}",
        f"{figures.cpu_seconds:.2f}",
        f"{figures.peak_bytes / 1e6:.0f}",
        f"{figures.seconds:.1f}",
    )


def main() -> None:
    """Measure all cases and print a table for each call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="measure the tables whose titles contain this text")
    only = parser.parse_args().only.lower()
    context = multiprocessing.get_context("spawn")
    numbers = [number for number, case in enumerate(CASES) if only in case.table.lower()]
    for table, group in groupby(numbers, key=lambda number: CASES[number].table):
        print(f"\n### {table}\n\n| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
        for number in group:
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                figures = pool.submit(measure_case, number).result()
            print(f"| {' | '.join(line(CASES[number], figures))} |", flush=True)


if __name__ == "__main__":
    main()
