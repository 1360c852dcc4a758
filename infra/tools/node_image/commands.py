"""Commands of the system that the build needs."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGES: Mapping[str, str] = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "bwrap": "bubblewrap"}
"""Command -> the package of Debian and Ubuntu that has it. The local cloud starts tasks with the last one."""


class ImageError(Exception):
    """The image cannot be built; the message says why and what to do."""


def check_commands() -> None:
    """Raise `ImageError` if commands are absent, or if the user may not create files of other users."""
    missing = [package for command, package in PACKAGES.items() if shutil.which(command) is None]
    if missing:
        raise ImageError(
            f"Building the node image needs {', '.join(missing)}. Run: apt-get install {' '.join(missing)}"
        )
    if os.geteuid() != 0:
        raise ImageError("The files of an image belong to root. Build and use it as root: sudo make image")


def run(argv: Sequence[str], log: Path, *, environ: Mapping[str, str] | None = None) -> str:
    """Run a command, append its messages to a log and return its output.

    Raises `ImageError` with the end of the log if the command fails.
    """
    with log.open("a", encoding="utf-8") as sink:
        sink.write(f"\n$ {' '.join(argv)}\n")
        sink.flush()
        result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=sink, text=True, check=False, env=environ)
        sink.write(result.stdout)
    if result.returncode != 0:
        end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise ImageError(f"{argv[0]} ended with code {result.returncode}. {log} ends with:\n{end}")
    return result.stdout
