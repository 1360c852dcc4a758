"""The blob service of a storage account: by connection string, by identity, or one container by its SAS URL."""

from datetime import datetime
from typing import Any, Final

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient, ContainerClient, ExponentialRetry, generate_container_sas
from requests.adapters import HTTPAdapter

from frame_tools.contracts.errors import InputError
from frame_tools.storage.accounts import Account
from frame_tools.storage.blobs.container import Container
from frame_tools.storage.patience import BACKGROUND, Patience

CONNECTIONS: Final = 32


class BlobAccount:
    """The blob service of one storage account; safe to share between threads."""

    def __init__(self, account: Account, patience: Patience = BACKGROUND) -> None:
        options = _client_options(patience)
        if account.connection_string:
            try:
                self._client = BlobServiceClient.from_connection_string(account.connection_string, **options)
            except ValueError as error:
                raise InputError(
                    f"The setting {account.setting} is not a storage connection string",
                    "Copy it from local.settings.json.example, or from the storage account",
                ) from error
        else:
            self._client = BlobServiceClient(str(account.blob_url), credential=account.credential(), **options)

    def container(self, name: str) -> Container:
        """Return a container by name; it need not exist yet."""
        return Container(self._client.get_container_client(name))

    def signed_url(self, container: str, *, permissions: str, start: datetime, end: datetime) -> str:
        """Return the container's URL with a signature that allows `permissions` ("cwl", "rl") until `end`.

        It is signed with a user delegation key of the identity, or with the account key of the emulator.
        https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
        """
        signature = generate_container_sas(
            self.name, container, permission=permissions, start=start, expiry=end, **self.signer(start, end)
        )
        return f"{self._client.get_container_client(container).url}?{signature}"

    @property
    def name(self) -> str:
        """The account's name."""
        return str(self._client.account_name)

    @property
    def url(self) -> str:
        """The URL of the blob service, without a signature."""
        return str(self._client.url)

    def blob_url(self, container: str, name: str) -> str:
        """Return the URL of a blob, without a signature."""
        return str(self._client.get_blob_client(container, name).url)

    def signer(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Return the key that signs URLs: a user delegation key of the identity, or the account key of the emulator."""
        key = getattr(self._client.credential, "account_key", None)
        return (
            {"account_key": key} if key else {"user_delegation_key": self._client.get_user_delegation_key(start, end)}
        )


def container_at(signed_url: str) -> Container:
    """Open a container by its SAS URL; raises InputError if the URL is invalid."""
    try:
        return Container(ContainerClient.from_container_url(signed_url, **_client_options(BACKGROUND)))
    except ValueError as error:
        raise InputError("The SAS URL does not name a container", "Ask the operator for new URLs") from error


def _client_options(patience: Patience) -> dict[str, Any]:
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return {
        # A transport of our own takes the timeouts; the client passes them on only to one that it creates.
        "transport": RequestsTransport(
            session=session,
            session_owner=False,
            connection_timeout=patience.connect_seconds,
            read_timeout=patience.read_seconds,
        ),
        # The SDK's default first delay is 15 s, too long for a short throttling.
        "retry_policy": ExponentialRetry(
            initial_backoff=patience.first_pause,
            increment_base=patience.pause_base,
            retry_total=patience.retries,
            random_jitter_range=min(patience.first_pause, patience.pause_base),
        ),
    }
