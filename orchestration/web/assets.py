"""The files that browsers load: our own in `static`, and libraries that set-up and packaging copy to `vendor`.

All of them are served below one folder whose name is the hash of their contents, so that browsers may keep them for
ever: a change of any file changes all addresses.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".woff2": "font/woff2",
}
"""Types of the files; others are not served."""
COMPRESSIBLE: Final = (".css", ".js", ".svg")


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file's bytes, its compressed bytes if that is worth it, and its type."""

    data: bytes
    compressed: bytes | None
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Assets:
    """All files by name, and the hash of all contents."""

    files: Mapping[str, Asset]
    version: str

    def url(self, name: str) -> str:
        """Return the address of a file; raises KeyError for a file that does not exist."""
        self.files[name]
        return f"/ui/assets/{self.version}/{name}"


def read_assets(folder: Path) -> Assets:
    """Read the files of `static` and `vendor` in a folder."""
    files: dict[str, Asset] = {}
    digest = hashlib.sha256()
    for root, prefix in ((folder / "static", ""), (folder / "vendor", "vendor/")):
        for path in sorted(root.glob("*")):
            if path.suffix in TYPES:
                files[prefix + path.name] = _asset(path)
                digest.update(f"{prefix}{path.name}\0".encode() + path.read_bytes())
    return Assets(files=files, version=digest.hexdigest()[:16])


def _asset(path: Path) -> Asset:
    data = path.read_bytes()
    compressed = gzip.compress(data, mtime=0) if path.suffix in COMPRESSIBLE else None
    return Asset(data=data, compressed=compressed, content_type=TYPES[path.suffix])


@cache
def assets() -> Assets:
    """Return the files of this process's app, read once."""
    return read_assets(HERE)
