"""The project's own Python modules, as paths relative to the repository root."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("orchestration", "frame_tools", "scoring", "local_cloud")
PACKAGES = (*PRODUCT, "impasto", "samples", "benchmarks", "infra")
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "function_app.py", *(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))]
)
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))
