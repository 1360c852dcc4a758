"""What becomes of damaged frames: refused, or kept and counted."""

from typing import Final

from frame_tools.contracts.choices import DamageChoice
from frame_tools.contracts.errors import InputError

DAMAGE_REMEDY: Final = (
    "To convert what can be decoded, set the option damaged to keep (--damaged keep); otherwise use an intact copy."
)


class DamagePolicy:
    """Decides about each damage of a video, in order.

    With `auto`, recordings of broadcasts may be damaged in their first and last group of pictures, since tuners start
    and stop recording anywhere; other damage is refused.
    """

    def __init__(self, choice: DamageChoice, *, is_broadcast: bool) -> None:
        self._keeps_all = choice == "keep"
        self._keeps_ends = choice == "auto" and is_broadcast
        self._groups = 0
        self._pending: InputError | None = None

    @property
    def keeps_some(self) -> bool:
        """Whether damage may be kept."""
        return self._keeps_all or self._keeps_ends

    def begin_group(self) -> None:
        """Note a keyframe; raises InputError for damage in the group before, unless it is the first one."""
        if self._pending is not None:
            raise self._pending
        self._groups += 1

    def check(self, error: InputError) -> None:
        """Raise `error`, the damage that it describes, unless it is kept."""
        if self._keeps_all:
            return
        if not self._keeps_ends:
            raise error
        if self._groups > 1:
            self._pending = self._pending or error
