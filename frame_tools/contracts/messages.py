"""The messages on our two queues: references only, `{"v": 1, "run_id": ..., "batch": 3}`.

`batch` is a batch's number, "split" or "join"; on `finished-batches` also "look": look at the run, whatever for.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from frame_tools.contracts.base import Document
from frame_tools.contracts.ids import check_run_id, step_name

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
    """Read a message; raises InputError if it is not one of ours."""
    return BatchMessage.loads(text, "queue message")
