"""Access keys, enforced only with --enableAuth, as by Core Tools.

Keys come from LOCAL_HOST_FUNCTION_KEY, LOCAL_HOST_MASTER_KEY and LOCAL_HOST_SYSTEM_KEY; a missing one is generated at
startup and logged once. The master key opens everything, the system key webhooks, the function key functions.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

LEVELS = ("function", "system", "master")


@dataclass(frozen=True)
class Keys:
    """The access keys of a host."""

    function: str
    system: str
    master: str

    @classmethod
    def from_settings(cls, values: Mapping[str, str]) -> tuple["Keys", dict[str, str]]:
        """Return the keys, and the generated ones by setting name."""
        keys, generated = cls("", "", ""), {}
        for level in LEVELS:
            setting = f"LOCAL_HOST_{level.upper()}_KEY"
            key = values.get(setting) or secrets.token_urlsafe(24)
            if not values.get(setting):
                generated[setting] = key
            keys = replace(keys, **{level: key})
        return keys, generated

    def is_known(self, offered: str) -> bool:
        """Return whether the key is one of this host's keys."""
        return any(
            hmac.compare_digest(offered.encode(), key.encode()) for key in (self.function, self.system, self.master)
        )

    def allows(self, level: str, offered: str) -> bool:
        """Return whether the key opens a level: anonymous, function, system, or admin (master key only)."""
        opening = {"anonymous": None, "function": self.function, "system": self.system}.get(level, self.master)
        if opening is None:
            return True
        return any(hmac.compare_digest(offered.encode(), key.encode()) for key in (opening, self.master))
