"""Settings: where do the app's settings, its connections and the host's id come from?

The environment wins over the `Values` of local.settings.json. A connection `X` is the setting `AzureWebJobsX`,
else `X`, as in Azure; this host takes connection strings only, since Azurite over http takes no tokens.
"""

import hashlib
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from local_cloud.function_host.config.expressions import resolve_settings
from local_cloud.function_host.config.host_json import HostJson, read_host_json

HOST_STORAGE = "AzureWebJobsStorage"
_HOST_ID_SETTING = "AzureFunctionsWebHost__hostid"
_INVISIBILITY_SETTING = "LOCAL_HOST_MESSAGE_INVISIBILITY"
# Azurite's published development account, which UseDevelopmentStorage=true stands for; it opens nothing else.
_DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)


class SettingsError(ValueError):
    """A setting is missing or cannot be used; the message says what to set."""


@dataclass(frozen=True)
class HostSettings:
    """What the host knows before it loads the app."""

    root: Path
    """The app's folder: function_app.py, host.json and perhaps local.settings.json."""
    values: Mapping[str, str]
    """All settings: the environment over local.settings.json."""
    host_json: HostJson
    host_id: str
    """At most 32 lower-case letters, digits and dashes; hosts with one id share receipts, timers and locks."""
    message_invisibility: timedelta
    """For how long a message in hand is hidden from others, renewed at half time; 10 minutes in Azure."""

    def connection_string(self, name: str | None) -> str:
        """The connection string behind a binding's `connection` (None or empty: the host's own storage)."""
        name = name or HOST_STORAGE
        for setting in (f"AzureWebJobs{name}", name):
            if value := self.values.get(setting):
                return _DEVELOPMENT_STORAGE if "usedevelopmentstorage=true" in value.lower() else value
        identity = sorted(key for key in self.values if key.startswith((f"{name}__", f"AzureWebJobs{name}__")))
        if identity:
            raise SettingsError(
                f"connection {name} is given by identity ({', '.join(identity)}); the local host takes connection"
                f" strings only: set {name} to one, such as UseDevelopmentStorage=true"
            )
        raise SettingsError(f"connection {name} is not set: set {name} to a connection string")

    def resolve(self, text: str) -> str:
        """`text` with each %SETTING% replaced."""
        return resolve_settings(text, self.values)


def read_settings(root: Path, environ: Mapping[str, str]) -> HostSettings:
    """Read host.json and local.settings.json in `root`; raises SettingsError or HostJsonError."""
    values = MappingProxyType({**_local_values(root / "local.settings.json"), **environ})
    return HostSettings(
        root=root,
        values=values,
        host_json=read_host_json(root / "host.json"),
        host_id=_host_id(root, values),
        message_invisibility=_invisibility(values),
    )


def _local_values(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values = content.get("Values", {})
        encrypted = content.get("IsEncrypted", False)
        pairs = {str(key): str(value) for key, value in values.items()}
    except (ValueError, AttributeError) as error:
        raise SettingsError(f'{path} must be a JSON object with an object "Values": {error}') from error
    if encrypted:
        raise SettingsError(f'{path} is encrypted; decrypt it and set "IsEncrypted" to false')
    return pairs


def _host_id(root: Path, values: Mapping[str, str]) -> str:
    chosen = values.get(_HOST_ID_SETTING)
    if chosen is None:
        machine = re.sub(r"[^a-z0-9]", "", socket.gethostname().lower())[:20]
        return f"{machine or 'local'}-{hashlib.sha256(bytes(root.resolve())).hexdigest()[:10]}"
    if len(chosen) > 32 or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", chosen):
        raise SettingsError(
            f"{_HOST_ID_SETTING} {chosen!r} must be 1-32 lower-case letters and digits, with single dashes between them"
        )
    return chosen


def _invisibility(values: Mapping[str, str]) -> timedelta:
    text = values.get(_INVISIBILITY_SETTING, "600")
    if not text.isdecimal() or not 2 <= int(text) <= 604800:
        raise SettingsError(f"{_INVISIBILITY_SETTING} {text!r} must be whole seconds from 2 to 604800")
    return timedelta(seconds=int(text))
