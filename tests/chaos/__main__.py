"""Command line of the campaign; exit code 1 means that an invariant was violated."""

import json
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from tests.chaos.campaign import Limits, describe, run_campaign
from tests.chaos.system import chaos_system


def main(
    seed: Annotated[int, typer.Option(help="Seed of the first round; round N has seed + N.")] = 1,
    faults: Annotated[int, typer.Option(help="Number of faults after which no round begins.", min=1)] = 200,
    minutes: Annotated[float, typer.Option(help="Minutes after which no round begins.")] = 20,
    rounds: Annotated[int | None, typer.Option(help="Number of rounds.", min=1)] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder for logs and violations.json; default: temporary.")
    ] = None,
) -> None:
    """Run videos on the local cloud under random faults, and print a table of what happened."""
    target = folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    target.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    limits = Limits(faults=faults, seconds=minutes * 60, rounds=rounds)
    with chaos_system(target, seed) as system:
        result = run_campaign(system, seed, limits, lambda text: print(text, file=sys.stderr, flush=True))
    print(describe(result, seed))
    (target / "violations.json").write_text(json.dumps([asdict(item) for item in result.violations], indent=1))
    print(f"Logs: {target}")
    raise typer.Exit(1 if result.violations else 0)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)
