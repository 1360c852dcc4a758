"""The images of tasks. A task without a container runs on this machine; one in a container sees the image's files only.

Containers are started by bubblewrap: like `docker run`, it gives a process the files of an image as its root, and a
process namespace of its own. It needs no service and no storage driver, and a task's processes end with its first one.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from local_cloud.batch_service.execution.directories import NodeDirectory

NODE_ROOT: Final = "/mnt/batch/tasks"
"""Where a container finds the node's directories, as on a node of Azure Batch."""


def find_launcher() -> str:
    """Return the path of bubblewrap. Raises ValueError if it is not installed or if this process is not root's."""
    path = shutil.which("bwrap")
    if path is None:
        raise ValueError("Tasks in containers need bubblewrap. Run: apt-get install bubblewrap")
    if os.geteuid() != 0:
        raise ValueError("Tasks in containers run as the user of the image. Start the local cloud as root for that")
    return path


class Container(BaseModel):
    """How to start a process in the files of an image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    """Folder with the image's files; a task cannot change them."""
    user: int = Field(ge=0)
    working_directory: str
    launcher: str = Field(default_factory=find_launcher)
    """Path of bubblewrap."""

    def command(self, arguments: Sequence[str], *, node: NodeDirectory, temporary: Path) -> list[str]:
        """Return the command that runs `arguments` in a container, whose /tmp is the folder `temporary`."""
        user = str(self.user)
        return [
            self.launcher,
            *("--unshare-pid", "--unshare-ipc", "--die-with-parent"),
            *("--ro-bind", str(self.root), "/"),
            *("--dev", "/dev", "--proc", "/proc", "--ro-bind", "/sys", "/sys"),
            *("--bind", str(temporary), "/tmp"),  # noqa: S108 - a folder of this task only
            *("--tmpfs", "/mnt", "--bind", str(node.root), NODE_ROOT),
            *("--chdir", self.working_directory),
            *(
                "setpriv",
                f"--reuid={user}",
                f"--regid={user}",
                "--clear-groups",
                "--no-new-privs",
                "--bounding-set=-all",
            ),
            *("--", *arguments),
        ]


class Prepared(BaseModel):
    """The program of an image's tasks, `python -m module …`, and what a process imports before it is needed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    module: str
    imports: tuple[str, ...] = ()


class Image(BaseModel):
    """The environment variables of an image's tasks, its container, if it has one, and a program to prepare."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Mapping[str, str]
    container: Container | None = None
    prepared: Prepared | None = None
    """Tasks of this program can be forked from a process that has imported it; only without a container."""

    @model_validator(mode="after")
    def _only_one(self) -> Self:
        if self.container is not None and self.prepared is not None:
            raise ValueError("A program in a container cannot be prepared: leave out `prepared` or `container`")
        return self

    def node_directory(self, node: NodeDirectory) -> NodeDirectory:
        """Return the node's directories under the paths by which tasks see them."""
        return node if self.container is None else NodeDirectory(Path(NODE_ROOT))
