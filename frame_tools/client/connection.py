"""Which cloud a command talks to: that of the environment, else the running local cloud, else the azd environment."""

import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from frame_tools.client.api import ApiClient
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.paths import SCRIPTS
from frame_tools.storage.accounts import DATA, OPS, account_from
from frame_tools.storage.blobs import BlobAccount
from frame_tools.storage.deployment import DataStorage
from frame_tools.storage.ports import BlobContainer
from frame_tools.storage.sas import has_sas_urls

API: Final = "IMPASTO_API"
KEY: Final = "IMPASTO_KEY"
LOCAL_API: Final = "http://127.0.0.1:7071/api"
BLOB_URL: Final = f"{DATA}__blobServiceUri"
_CONNECT_SECONDS: Final = 0.5
_LOCAL_HOSTS: Final = re.compile(r"//(127\.0\.0\.1|localhost)[:/]")
_ENV_LINE: Final = re.compile(r'^(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<quote>"?)(?P<value>.*)(?P=quote)$')


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A cloud: its storage settings, its HTTP interface (empty if it is not known), and where both were read."""

    source: str
    settings: Mapping[str, str]
    url: str
    key: str = ""
    read_key: Callable[[], str] | None = None
    """Reads the function key when it is first needed, if it is not set."""

    @property
    def is_local(self) -> bool:
        """Whether the app runs on this machine."""
        return bool(_LOCAL_HOSTS.search(f"{self.url}/"))

    def storage(self) -> DataStorage:
        """Open the containers; raises InputError if no storage account is set."""
        return DataStorage.from_environment(self.settings)

    def scripts(self) -> BlobContainer:
        """Open the container of programs, in the ops account; raises InputError if that account is not set."""
        return BlobAccount(account_from(self.settings, OPS)).container(SCRIPTS)

    def api(self) -> ApiClient:
        """Return the client of the HTTP interface; raises InputError if its URL is not known."""
        if not self.url:
            raise InputError("The URL of the app is not known", f"Set {API} to it, or give --api; it ends with /api.")
        key = self.key or (self.read_key() if self.read_key else "")
        return ApiClient(url=self.url, key=key)


def local_cloud(file: Path) -> Connection | None:
    """Return the local cloud that wrote `file`, or None if it does not run any more."""
    try:
        fields: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        settings, url = dict(fields["settings"]), str(fields["api"])
        storage = str(fields["storage"])
    except (OSError, ValueError, KeyError):
        return None
    if not _listens_at(storage):
        return None
    return Connection(source="the local cloud", settings=settings, url=url)


def _listens_at(url: str) -> bool:
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False


def azd_environment(folder: Path, name: str | None = None) -> tuple[str, dict[str, str]] | None:
    """Return name and values of the current azd environment of the project that `folder` is in, or None.

    azd keeps the values in .azure/<name>/.env and the current name in .azure/config.json.
    """
    for parent in (folder, *folder.parents):
        config = parent / ".azure" / "config.json"
        if config.is_file():
            chosen = name or _default_environment(config)
            values = config.parent / chosen / ".env" if chosen else None
            if chosen and values and values.is_file():
                return chosen, parse_env_file(values.read_text(encoding="utf-8"))
            return None
    return None


def _default_environment(config: Path) -> str:
    try:
        return str(json.loads(config.read_text(encoding="utf-8"))["defaultEnvironment"])
    except (ValueError, KeyError):
        return ""


def parse_env_file(text: str) -> dict[str, str]:
    r"""Parse lines like NAME="value" with the escapes \" and \\; other lines are ignored."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        if match := _ENV_LINE.match(line.strip()):
            raw = match["value"]
            values[match["name"]] = re.sub(r"\\(.)", r"\1", raw) if match["quote"] else raw
    return values


def find_connection(
    environ: Mapping[str, str],
    *,
    api: str = "",
    key: str = "",
    local_file: Path,
    folder: Path,
    read_key: Callable[[Mapping[str, str]], str] = lambda _values: "",
) -> Connection:
    """Return the cloud to use.

    In this order: storage or app named in the environment (or `api`), the local cloud that wrote `local_file`, the azd
    environment of the project that `folder` is in. Raises InputError if there is none.
    """
    url, function_key = api or environ.get(API, ""), key or environ.get(KEY, "")
    if environ.get(DATA) or environ.get(BLOB_URL) or has_sas_urls(environ):
        if not url and _LOCAL_HOSTS.search(environ.get(DATA, "")) and _listens_at(LOCAL_API):
            url = LOCAL_API
        return Connection(source="the environment", settings=environ, url=url, key=function_key)
    local = local_cloud(local_file)
    if local is not None and url in ("", local.url):
        return local
    azd = azd_environment(folder, environ.get("AZURE_ENV_NAME"))
    if azd is not None and azd[1].get(BLOB_URL) and url in ("", azd[1].get(API)):
        name, values = azd
        return Connection(
            source=f"the azd environment {name}",
            settings={**values, **environ},
            url=values.get(API, ""),
            key=function_key,
            read_key=lambda: read_key(values),
        )
    if url:
        return Connection(source="the environment", settings=environ, url=url, key=function_key)
    raise InputError(
        f"No cloud is connected: no local cloud runs, and neither {DATA} nor {BLOB_URL} is set",
        "Start the local cloud with `impasto up`, or see docs/deploy.md.",
    )
