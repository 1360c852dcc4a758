"""`python -m infra.tools.node_image`: build the node image into `.local/image`, unless it is there already."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.hooks.image import content_tag, copy_context
from infra.tools.node_image.base import make_base, python_version, release
from infra.tools.node_image.build import Builder, ImageDescription, describe
from infra.tools.node_image.commands import ImageError, check_commands
from infra.tools.node_image.wheels import download_wheels, local_lock

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".local" / "image"
LOCK = "scoring/requirements-image.txt"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of what outlives a clone of the repository: the base and the wheels."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "impasto"


def local_tag(root: Path, suite: str) -> str:
    """Return a hash of all that a local image is built from: context, locks and release of the base."""
    digest = hashlib.sha256(f"{content_tag(root)} {suite}".encode())
    for name in ("requirements.txt", "requirements-torch.txt"):
        digest.update((root / "scoring" / name).read_bytes())
    return digest.hexdigest()[:16]


def find_image(description: Path, tag: str) -> ImageDescription | None:
    """Return the description of an image that was built before from the same content, or None."""
    if not description.is_file():
        return None
    image = ImageDescription(**json.loads(description.read_text(encoding="utf-8")))
    return image if image.tag == tag and Path(image.root).is_dir() else None


def build_image(folder: Path, tag: str, suite: str) -> ImageDescription:
    """Build the image and export its files to `folder`/root. Raises `ImageError`."""
    log, cache = folder / "build.log", cache_folder(os.environ)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = python_version(log)
    base, wheels = cache / f"{suite}.tar", cache / f"wheels-{python}"
    with ThreadPoolExecutor() as pool:
        work = [
            pool.submit(make_base, base, suite, folder / "base.log"),
            pool.submit(download_wheels, wheels, ROOT, python, folder / "wheels.log", os.environ.get("TORCH_INDEX")),
        ]
        for result in work:
            result.result()
    builder = Builder(folder, log)
    try:
        builder.import_base(base)
        with tempfile.TemporaryDirectory() as context:
            copy_context(ROOT, Path(context))
            (Path(context) / LOCK).write_text(local_lock(ROOT, wheels), encoding="utf-8")
            builder.build(Path(context), wheels, folder / "root")
        return describe(builder.inspect(), tag=tag, root=folder / "root")
    finally:
        builder.remove()


def main() -> int:
    """Build the image, print its size and layers; return 1 with a message if that fails."""
    start = time.monotonic()
    try:
        check_commands()
        suite = release()
        tag = local_tag(ROOT, suite)
        image = find_image(FOLDER / "image.json", tag)
        if image is None:
            image = build_image(FOLDER, tag, suite)
            image.write(FOLDER / "image.json")
    except ImageError as error:
        print(error, file=sys.stderr)
        return 1
    size, seconds = image.bytes / 2**20, time.monotonic() - start
    print(f"Node image {image.tag}: {size:.0f} MiB in {image.layers} layers, in {image.root} ({seconds:.0f} s).")
    return 0
