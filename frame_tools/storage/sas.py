"""SAS URLs for users without an account: the permissions on each container, and the settings that hold the URLs.

Such a user may write and list `input` (a listing shows names, not content; the upload checks itself with it), create
trigger files, and read `output`. There are no URLs for `work` or for the ops account.
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
    """The permissions on one container, and the setting with its URL."""

    container: str
    setting: str
    permissions: str


GRANTS: Final = (
    SasGrant(paths.INPUT, "IMPASTO_INPUT_URL", "cwl"),
    SasGrant(paths.TRIGGERS, "IMPASTO_TRIGGERS_URL", "cw"),
    SasGrant(paths.OUTPUT, "IMPASTO_OUTPUT_URL", "r"),
)


def guest_settings(account: BlobAccount, *, hours: int, now: dt.datetime) -> dict[str, str]:
    """Return the SAS URLs by setting.

    The URLs start `CLOCK_SKEW` before `now` and expire `hours` after their start, because the SAS policy limits the
    whole interval. Raises InputError unless `hours` is between 1 and `MAX_HOURS`.
    """
    if not 1 <= hours <= MAX_HOURS:
        raise InputError(f"{hours} hours is not a valid lifetime of SAS URLs", f"Use 1 to {MAX_HOURS} hours")
    start = now - CLOCK_SKEW
    end = start + dt.timedelta(hours=hours)
    return {
        grant.setting: account.signed_url(grant.container, permissions=grant.permissions, start=start, end=end)
        for grant in GRANTS
    }


def has_sas_urls(environ: Mapping[str, str]) -> bool:
    """Return whether the environment has the SAS URLs; raises InputError if it has only some of them."""
    present = [grant.setting for grant in GRANTS if environ.get(grant.setting)]
    missing = [grant.setting for grant in GRANTS if grant.setting not in present]
    if present and missing:
        raise InputError(f"Settings are missing: {', '.join(missing)}", "Set all that `impasto sas` printed")
    return bool(present)
