"""`python -m infra.tools.bicep [--write]`: compile, lint and format the templates, and compare the snapshots.

A snapshot lists the resources that a parameter file deploys. It is committed, so that a change of a template shows as a
change of resources. `--write` formats the files and writes the snapshots.
"""

import argparse
import difflib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.tools.bicep.compiler import BicepError, BicepMissingError, Compiler, find_bicep

TEMPLATES = Path(__file__).resolve().parents[2] / "bicep"
WRITE = "run `make bicep-snapshots` and review the difference"


@dataclass(frozen=True)
class Report:
    """What the checks found, one finding per line: `faults` must be corrected, `warnings` are only printed."""

    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def parameter_files(folder: Path) -> list[Path]:
    """Return the parameter files of a folder of templates."""
    return sorted(folder.rglob("*.bicepparam"))


def snapshot_file(parameters: Path) -> Path:
    """Return where the snapshot of a parameter file is committed; `bicep snapshot` uses the same name."""
    return parameters.with_suffix(".snapshot.json")


def snapshot_text(snapshot: dict[str, Any]) -> str:
    """Return the text of a snapshot file."""
    return json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n"


def check(compiler: Compiler, folder: Path, *, write: bool = False) -> Report:
    """Check the templates of a folder.

    `write` formats files and writes snapshots in place of reporting them.
    """
    files = sorted(folder.rglob("*.bicep")) + parameter_files(folder)
    # Files that refer to others repeat their diagnostics.
    diagnostics = dict.fromkeys(item for path in files for item in compiler.compile(path))
    faults = [str(item) for item in diagnostics if item.is_fault]
    faults += [line for path in files for line in _format(compiler, path, write=write)]
    if not faults:
        faults += [line for path in parameter_files(folder) for line in _compare(compiler, path, write=write)]
    return Report(faults, [str(item) for item in diagnostics if not item.is_fault])


def _format(compiler: Compiler, path: Path, *, write: bool) -> Iterator[str]:
    formatted = compiler.format(path)
    if formatted == path.read_text(encoding="utf-8"):
        return
    if write:
        path.write_text(formatted, encoding="utf-8")
    else:
        yield f"{path}: not formatted; run `bicep format {path}`"


def _compare(compiler: Compiler, parameters: Path, *, write: bool) -> Iterator[str]:
    target = snapshot_file(parameters)
    snapshot = compiler.snapshot(parameters)
    # Resources that the compiler cannot predict would be missing from the snapshot in silence.
    yield from (f"{parameters}: {text.strip()}" for text in snapshot["diagnostics"])
    expected = snapshot_text(snapshot)
    if write:
        target.write_text(expected, encoding="utf-8")
        return
    committed = target.read_text(encoding="utf-8") if target.is_file() else ""
    if committed != expected:
        yield f"{target}: outdated; {WRITE}"
        yield from difflib.unified_diff(
            committed.splitlines(), expected.splitlines(), "committed", "compiled", lineterm="", n=8
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if there are faults or no compiler. Warnings are printed only."""
    parser = argparse.ArgumentParser(prog="python -m infra.tools.bicep", description=__doc__)
    parser.add_argument("--write", action="store_true", help="format the files and write the snapshots")
    options = parser.parse_args(arguments)
    try:
        with Compiler(find_bicep(os.environ)) as compiler:
            report = check(compiler, TEMPLATES, write=options.write)
    except (BicepMissingError, BicepError) as error:
        report = Report([str(error)])
    sys.stderr.writelines(f"{line}\n" for line in (*report.faults, *report.warnings))
    return 1 if report.faults else 0
