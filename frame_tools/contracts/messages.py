"""Messages on the two queues. They contain references only: `{"v": 2, "run_id": ..., "batch": 3}`.

`batch` is the number of a batch, "split" or "join"; on `finished-batches` also "advance": continue the run, whatever
it needs next.
"""

import base64
import binascii
from contextlib import suppress
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator
from pydantic_core import from_json

from frame_tools.contracts.base import Document
from frame_tools.contracts.errors import InputError, VersionSkewError
from frame_tools.contracts.ids import RUN_ID, check_run_id, step_name
from frame_tools.contracts.version import IMPASTO_VERSION

MESSAGE_VERSION: Final = 2
RENAMED_STEPS: Final = {"look": "advance"}
"""Steps of version 1 that have another name now."""
Step = Annotated[int, Field(ge=0, le=99_999, strict=True)] | Literal["split", "join", "advance"]


def decode_body(body: bytes) -> str:
    """Return the text of a queue message as it lies in the queue: base64, or what a stranger sent instead.

    Never raises: text that is not base64 is returned as it is, and bytes that are not UTF-8 are escaped.
    """
    with suppress(binascii.Error):
        body = base64.b64decode(b"".join(body.split()), validate=True)
    return body.decode("utf-8", "backslashreplace")


class BatchMessage(Document):
    """Names one step of one run: to be done (`frame-batches`) or to be checked (`finished-batches`)."""

    v: Literal[1, 2] = 2
    run_id: Annotated[str, AfterValidator(check_run_id)]
    batch: Step

    @field_validator("batch", mode="before")
    @classmethod
    def _rename_old_step(cls, batch: object) -> object:
        return RENAMED_STEPS.get(batch, batch) if isinstance(batch, str) else batch

    @property
    def step(self) -> str:
        """The step's name in blob names."""
        return step_name(self.batch)

    def text(self) -> str:
        """Return the body of the message."""
        return self.model_dump_json()

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
