"""The local base of the image: a minimal system of this machine's release of Debian or Ubuntu, with apt."""

import platform
import re
from pathlib import Path

from infra.tools.node_image.commands import ImageError, run


def release() -> str:
    """Return the code name of this machine's release, such as `bookworm`. Raises `ImageError` for other systems."""
    system = platform.freedesktop_os_release()
    if not {"debian", "ubuntu"} & {system["ID"], *system.get("ID_LIKE", "").split()}:
        raise ImageError(f"The node image is built on Debian and Ubuntu, not on {system['ID']}. Use Docker instead.")
    return system["VERSION_CODENAME"]


def python_version(log: Path) -> str:
    """Return the version of the release's Python, such as `3.11`. The wheels are chosen for it."""
    shown = run(["apt-cache", "show", "--no-all-versions", "python3"], log)
    match = re.search(r"(?m)^Version: (\d+\.\d+)\.", shown)
    if match is None:
        raise ImageError("apt does not know python3. Run `apt-get update`.")
    return match[1]


def make_base(archive: Path, suite: str, log: Path) -> None:
    """Create the archive of the base's files, unless it exists. What gets old in it, the Dockerfile upgrades."""
    if archive.exists():
        return
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(".partial")
    # The files need not survive a power failure, and dpkg without fsync is faster.
    options = ["--variant=apt", "--format=tar", "--dpkgopt=force-unsafe-io"]
    run(["mmdebstrap", *options, suite, str(partial)], log)
    partial.replace(archive)
