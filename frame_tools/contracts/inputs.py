"""Pins of a run's input: which version of each frame, mask and sound file the run was planned with."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.media_values import MAX_FRAMES

Pin = Annotated[str, Field(pattern=r"^(md5:[A-Za-z0-9+/]{22}|etag:[^\n]{1,100})$")]
"""A version of a blob: the MD5 of its content in base64, or its ETag if nobody recorded an MD5."""


def md5_pin(digest: bytes) -> Pin:
    """Return the pin of a file with this MD5."""
    return "md5:" + base64.b64encode(digest).decode().rstrip("=")


class InputPins(StoredDocument):
    """Pins of all files that a run's tasks and its join read from the user's folder, or from the run's split."""

    document_name: ClassVar = "input pins"
    max_bytes: ClassVar = 128 * (2 * MAX_FRAMES + 100)
    max_values: ClassVar = 2 * MAX_FRAMES + 100
    version: Literal[1] = 1
    run_id: str
    frames: tuple[Pin, ...]
    """One per frame, in order."""
    masks: tuple[Pin, ...] = ()
    """One per frame, in order; of a mask video, one."""
    audio: Pin | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all pins, which the plan records; equal for equal input, whichever run or version wrote them."""
        return hashlib.sha256("".join(f"{line}\n" for line in self._lines()).encode()).hexdigest()

    def _lines(self) -> Iterator[str]:
        for kind, pins in (("frames", self.frames), ("masks", self.masks), ("audio", (self.audio or "",))):
            yield f"{kind} {len(pins)}"
            yield from pins
