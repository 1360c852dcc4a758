"""Sources of the app's settings, its connections and the host id.

Environment variables take precedence over `Values` in local.settings.json. As in Azure, connection `X` is the setting
`AzureWebJobsX`, else `X`. Only connection strings are supported, because Azurite accepts no tokens over http.
"""

import hashlib
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from local_cloud.function_host.config.expressions import resolve_settings
from local_cloud.function_host.config.host_json import HostJson, read_host_json
from local_cloud.function_host.config.json_file import load_json

HOST_STORAGE = "AzureWebJobsStorage"
_PROCESS_COUNT_SETTING = "FUNCTIONS_WORKER_PROCESS_COUNT"
_MAX_PROCESSES = 10
_BODY_LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
DEFAULT_BODY_BYTES = 100 * 1024 * 1024
"""The real host's default limit of a request's body."""
_LOCAL_SETTINGS = "local.settings.json"
_HOST_ID_SETTING = "AzureFunctionsWebHost__hostid"
_INVISIBILITY_SETTING = "LOCAL_HOST_MESSAGE_INVISIBILITY"
# Azurite's published development account, which UseDevelopmentStorage=true stands for; it is not a secret.
_DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)


class SettingsError(ValueError):
    """A setting is missing or invalid; the message says what to set."""


@dataclass(frozen=True)
class HostSettings:
    """What the host knows before it loads the app."""

    root: Path
    """The app's folder: function_app.py, host.json and, optionally, local.settings.json."""
    values: Mapping[str, str]
    """All settings: environment variables over local.settings.json."""
    host_json: HostJson
    host_id: str
    """At most 32 lowercase letters, digits and dashes; hosts with the same id share receipts, timers and locks."""
    message_invisibility: timedelta
    """The time for which a message in process is hidden, renewed at half time; 10 minutes in Azure."""

    worker_processes: int = 1
    """Number of worker processes (FUNCTIONS_WORKER_PROCESS_COUNT), 1 to 10."""
    max_body_bytes: int = DEFAULT_BODY_BYTES
    """Largest body of an HTTP request (FUNCTIONS_REQUEST_BODY_SIZE_LIMIT)."""
    cors_origins: str = ""
    """`Host.CORS` of local.settings.json: origins separated by commas, or `*`."""
    cors_credentials: bool = False
    """`Host.CORSCredentials` of local.settings.json."""

    def connection_string(self, name: str | None) -> str:
        """Return the connection string of a `connection` name (None or empty: the host's own). Raises SettingsError."""
        name = name or HOST_STORAGE
        for setting in (f"AzureWebJobs{name}", name):
            if value := self.values.get(setting):
                return _DEVELOPMENT_STORAGE if "usedevelopmentstorage=true" in value.lower() else value
        identity = sorted(key for key in self.values if key.startswith((f"{name}__", f"AzureWebJobs{name}__")))
        if identity:
            raise SettingsError(
                f"connection {name} uses an identity ({', '.join(identity)}), but the local host supports connection"
                f" strings only; set {name} to one, for example UseDevelopmentStorage=true"
            )
        raise SettingsError(f"connection {name} is not set: set {name} to a connection string")

    def is_disabled(self, function: str) -> bool:
        """Return whether the setting `AzureWebJobs.<function>.Disabled` (or with `__`) is true or 1."""
        names = {f"azurewebjobs{mark}{function.lower()}{mark}disabled" for mark in (".", "__")}
        values = [value for name, value in self.values.items() if name.lower() in names]
        return any(value.lower() in ("true", "1") for value in values)

    def resolve(self, text: str) -> str:
        """Return `text` with each %SETTING% replaced. Raises ExpressionError."""
        return resolve_settings(text, self.values)


def read_settings(root: Path, environ: Mapping[str, str]) -> HostSettings:
    """Read host.json and local.settings.json in `root`. Raises SettingsError or HostJsonError."""
    local = _local_settings(root)
    values = MappingProxyType({**_local_values(local), **environ})
    return HostSettings(
        root=root,
        values=values,
        host_json=read_host_json(root / "host.json", values),
        host_id=_host_id(root, values),
        message_invisibility=_invisibility(values),
        worker_processes=_worker_processes(values),
        max_body_bytes=_max_body_bytes(values),
        cors_origins=str(_host_section(local).get("CORS") or ""),
        cors_credentials=_host_section(local).get("CORSCredentials") is True,
    )


def local_http_port(root: Path) -> int | None:
    """Return `Host.LocalHttpPort` of local.settings.json, or None. Raises SettingsError."""
    port = _host_section(_local_settings(root)).get("LocalHttpPort")
    if port is not None and not (isinstance(port, int) and 0 <= port <= 65535):
        raise SettingsError(f"Host.LocalHttpPort {port!r} in local.settings.json must be a port from 0 to 65535")
    return port


def _local_settings(root: Path) -> dict[str, Any]:
    path = root / _LOCAL_SETTINGS
    if not path.exists():
        return {}
    try:
        content = load_json(path)
    except ValueError as error:
        raise SettingsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("Values", {}), dict):
        raise SettingsError(f'{path} must be a JSON object with an object "Values"')
    if content.get("IsEncrypted"):
        raise SettingsError(f'{path} is encrypted; decrypt it and set "IsEncrypted" to false')
    return content


def _host_section(local: Mapping[str, Any]) -> Mapping[str, Any]:
    section = local.get("Host")
    return section if isinstance(section, dict) else {}


def _worker_processes(values: Mapping[str, str]) -> int:
    text = values.get(_PROCESS_COUNT_SETTING, "1")
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_PROCESSES:
        raise SettingsError(f"{_PROCESS_COUNT_SETTING} {text!r} must be a number from 1 to {_MAX_PROCESSES}")
    return int(text)


def _max_body_bytes(values: Mapping[str, str]) -> int:
    text = values.get(_BODY_LIMIT_SETTING, str(DEFAULT_BODY_BYTES))
    if not text.isdecimal() or int(text) == 0:
        raise SettingsError(f"{_BODY_LIMIT_SETTING} {text!r} must be a number of bytes greater than 0")
    return int(text)


def _local_values(content: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in content.get("Values", {}).items()}


def _host_id(root: Path, values: Mapping[str, str]) -> str:
    chosen = values.get(_HOST_ID_SETTING)
    if chosen is None:
        machine = re.sub(r"[^a-z0-9]", "", socket.gethostname().lower())[:20]
        return f"{machine or 'local'}-{hashlib.sha256(bytes(root.resolve())).hexdigest()[:10]}"
    if len(chosen) > 32 or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", chosen):
        raise SettingsError(
            f"{_HOST_ID_SETTING} {chosen!r} must be 1 to 32 lowercase letters, digits and single inner dashes"
        )
    return chosen


def _invisibility(values: Mapping[str, str]) -> timedelta:
    text = values.get(_INVISIBILITY_SETTING, "600")
    if not text.isdecimal() or not 2 <= int(text) <= 604800:
        raise SettingsError(f"{_INVISIBILITY_SETTING} {text!r} must be whole seconds from 2 to 604800")
    return timedelta(seconds=int(text))
