"""Messages on the two queues. They contain references only: `{"v": 3, "run_id": ..., "batch": 3, "last": 9}`.

`batch` is the number of a batch, "split" or "join"; on `finished-batches` also "advance": continue the run, whatever
it needs next. `last` makes it a range of batches, on `frame-batches` only.
"""

import base64
import binascii
from contextlib import suppress
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import from_json

from frame_tools.contracts.base import Document
from frame_tools.contracts.errors import InputError, VersionSkewError
from frame_tools.contracts.ids import RUN_ID, BatchRange, check_run_id, step_name
from frame_tools.contracts.version import IMPASTO_VERSION

MESSAGE_VERSION: Final = 3
MAX_RANGE: Final = 100
"""Batches that one message names at most; Batch takes as many tasks in one request."""
RENAMED_STEPS: Final = {"look": "advance"}
"""Steps of version 1 that have another name now."""
BatchNumber = Annotated[int, Field(ge=0, le=99_999, strict=True)]
Step = BatchNumber | Literal["split", "join", "advance"]


def decode_body(body: bytes) -> str:
    """Return the text of a queue message as it lies in the queue: base64, or what a stranger sent instead.

    Never raises: text that is not base64 is returned as it is, and bytes that are not UTF-8 are escaped.
    """
    with suppress(binascii.Error):
        body = base64.b64decode(b"".join(body.split()), validate=True)
    return body.decode("utf-8", "backslashreplace")


class BatchMessage(Document):
    """Names a step or a range of batches of one run: to be done (`frame-batches`) or checked (`finished-batches`).

    Versions 1 and 2 name single steps.
    """

    v: Literal[1, 2, 3] = 3
    run_id: Annotated[str, AfterValidator(check_run_id)]
    batch: Step
    last: BatchNumber | None = None
    """The last batch of a range; None for a single step."""

    @field_validator("batch", mode="before")
    @classmethod
    def _rename_old_step(cls, batch: object) -> object:
        return RENAMED_STEPS.get(batch, batch) if isinstance(batch, str) else batch

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.last is None:
            return self
        if not isinstance(self.batch, int) or not self.batch <= self.last < self.batch + MAX_RANGE:
            raise ValueError(f"last must be from batch to batch + {MAX_RANGE - 1}, and batch a number")
        return self

    @property
    def step(self) -> str:
        """The step's name in blob names; of a range, that of its first batch."""
        return step_name(self.batch)

    @property
    def batches(self) -> BatchRange | None:
        """The batches that the message names; None for another step."""
        if not isinstance(self.batch, int):
            return None
        return BatchRange(self.batch, self.batch if self.last is None else self.last)

    def text(self) -> str:
        """Return the body of the message."""
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the body of a queue message.

        Raises VersionSkewError for a message of a newer version of Impasto, InputError for any other text.
        """
        try:
            return cls.parse_input(text, "queue message")
        except InputError:
            if (version := _newer_version(text)) is not None:
                raise VersionSkewError(
                    f"The queue message has version {version}; this is Impasto {IMPASTO_VERSION}, which reads versions"
                    f" up to {MESSAGE_VERSION}",
                    "Finish the deployment of the newer version; the run then continues",
                ) from None
            raise


def _newer_version(text: str) -> int | None:
    """Return the version of a message that names a run in a form newer than this program's, else None."""
    try:
        fields = from_json(text)
    except ValueError:
        return None
    if not isinstance(fields, dict) or not RUN_ID.fullmatch(str(fields.get("run_id"))):
        return None
    version = fields.get("v")
    return version if isinstance(version, int) and version > MESSAGE_VERSION else None
