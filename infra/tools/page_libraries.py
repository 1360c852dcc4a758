"""Copies the libraries of the web page from node_modules to the folder from which the app serves them.

`make setup` and the hook `prepackage` run it: their versions are pinned in package.json, none is in the repository, and
no browser asks another site for them. Needs Python's standard library only, as all that the hooks use.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
VENDOR: Final = ROOT / "orchestration" / "web" / "vendor"
FILES: Final[Mapping[str, str]] = {
    "pico.min.css": "@picocss/pico/css/pico.min.css",
    "pico.LICENSE": "@picocss/pico/LICENSE.md",
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "htmx.LICENSE": "htmx.org/LICENSE",
    "img-comparison-slider.js": "img-comparison-slider/dist/index.js",
    "img-comparison-slider.LICENSE": "img-comparison-slider/README.md",
    "instrument-sans-latin-wght-normal.woff2": (
        "@fontsource-variable/instrument-sans/files/instrument-sans-latin-wght-normal.woff2"
    ),
    "instrument-sans-latin-wght-italic.woff2": (
        "@fontsource-variable/instrument-sans/files/instrument-sans-latin-wght-italic.woff2"
    ),
    "instrument-sans.LICENSE": "@fontsource-variable/instrument-sans/LICENSE",
}
"""Name in `vendor` -> file in node_modules. The slider's license is in its README."""


def missing_libraries(node_modules: Path) -> list[str]:
    """Return the files that are not installed."""
    return [name for name in FILES.values() if not (node_modules / name).is_file()]


def copy_libraries(node_modules: Path, vendor: Path = VENDOR) -> None:
    """Copy the files to `vendor`, which then holds no others; raises FileNotFoundError if one is not installed."""
    shutil.rmtree(vendor, ignore_errors=True)
    vendor.mkdir(parents=True)
    for name, source in FILES.items():
        shutil.copyfile(node_modules / source, vendor / name)


if __name__ == "__main__":
    copy_libraries(ROOT / "node_modules")
