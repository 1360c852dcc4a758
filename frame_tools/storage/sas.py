"""Signed URLs for people without an account: what each container allows them, and the settings that carry the URLs.

A guest may write and list `input` (listing shows names, not contents; the upload's own check needs it), put trigger
files, and read `output`. Nobody gets `work` or anything of the ops account.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.errors import InputError
from frame_tools.storage.blobs import BlobAccount

MAX_HOURS: Final = 24
"""Longest interval between start and expiry that the accounts' SAS policy (storage.bicep) accepts."""
CLOCK_SKEW: Final = dt.timedelta(minutes=15)
"""How much earlier than now a URL starts, for clients whose clock is slow."""


@dataclass(frozen=True)
class SasGrant:
    """One container as a guest sees it: the setting with its URL, and what the signature allows."""

    container: str
    setting: str
    permissions: str


GRANTS: Final = (
    SasGrant(paths.INPUT, "IMPASTO_INPUT_URL", "cwl"),
    SasGrant(paths.TRIGGERS, "IMPASTO_TRIGGERS_URL", "cw"),
    SasGrant(paths.OUTPUT, "IMPASTO_OUTPUT_URL", "r"),
)


def guest_settings(account: BlobAccount, *, hours: int, now: dt.datetime) -> dict[str, str]:
    """Return setting → signed URL for a guest.

    The URLs start `CLOCK_SKEW` before `now` and expire `hours` after their start, because the SAS policy limits the
    whole interval. Raises InputError unless `hours` is between 1 and `MAX_HOURS`.
    """
    if not 1 <= hours <= MAX_HOURS:
        raise InputError(f"{hours} hours is not a valid lifetime of a guest's URL", f"Pass 1 to {MAX_HOURS}")
    start = now - CLOCK_SKEW
    end = start + dt.timedelta(hours=hours)
    return {
        door.setting: account.signed_url(door.container, permissions=door.permissions, start=start, end=end)
        for door in GRANTS
    }


def has_sas_urls(environ: Mapping[str, str]) -> bool:
    """Whether the environment holds a guest's URLs; raises InputError if it holds only some of them."""
    given = [door.setting for door in GRANTS if environ.get(door.setting)]
    if given and len(given) < len(GRANTS):
        lacking = ", ".join(door.setting for door in GRANTS if door.setting not in given)
        raise InputError(f"Of a guest's settings {lacking} is missing", "Set all that `frame_tools sas` printed")
    return bool(given)
