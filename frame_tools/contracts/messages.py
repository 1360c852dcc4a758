"""The messages on our two queues: references only, `{"v": 1, "run_id": ..., "batch": 3}`.

`batch` is a batch's number, "split" or "join"; on `finished-batches` also "look": look at the run, whatever for.
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import from_json

from frame_tools.contracts.base import Document
from frame_tools.contracts.errors import InputError, VersionSkewError
from frame_tools.contracts.ids import RUN_ID, check_run_id, step_name
from frame_tools.contracts.version import IMPASTO_VERSION

MESSAGE_VERSION: Final = 1

Step = Annotated[int, Field(ge=0, le=99_999, strict=True)] | Literal["split", "join", "look"]


class BatchMessage(Document):
    """Names one step of one run; on `frame-batches`: do it, on `finished-batches`: look at it."""

    v: Literal[1] = 1
    run_id: Annotated[str, AfterValidator(check_run_id)]
    batch: Step

    @property
    def step(self) -> str:
        """The step's name in blob names."""
        return step_name(self.batch)

    def text(self) -> str:
        """The message's body."""
        return self.model_dump_json()


def parse_message(text: str) -> BatchMessage:
    """Parse the body of a queue message.

    Raises VersionSkewError for a message of a newer version of Impasto, InputError for any other text.
    """
    try:
        return BatchMessage.parse_input(text, "queue message")
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
