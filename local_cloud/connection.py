"""The file that says where the local cloud listens: written when it is ready, removed when it stops.

Commands on this machine read it, so that they need no settings.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer

from local_cloud.cloud import Cloud


def default_file(environ: Mapping[str, str]) -> Path:
    """Return the usual place of the file: the user's folder for such files, or the setting IMPASTO_STATE."""
    return Path(environ.get("IMPASTO_STATE") or typer.get_app_dir("impasto")) / "local-cloud.json"


@contextmanager
def published(cloud: Cloud, file: Path) -> Iterator[None]:
    """Keep the file while the block runs; at its end, remove it unless another local cloud has replaced it."""
    text = json.dumps(
        {
            "storage": f"http://127.0.0.1:{cloud.ports.blob}",
            "api": cloud.api,
            "settings": {name: cloud.settings[name] for name in ("DATA", "OPS")},
            "pid": os.getpid(),
        },
        indent=1,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(text, encoding="utf-8")
    part.replace(file)
    try:
        yield
    finally:
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            file.unlink()
