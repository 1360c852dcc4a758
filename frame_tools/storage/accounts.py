"""Access to the two storage accounts, read from settings; the only module here that imports `azure.identity`.

Settings are named as for Azure Functions: `DATA` is a connection string (Azurite), or `DATA__blobServiceUri` and
`DATA__queueServiceUri` are URLs that are accessed with an identity (Azure).
https://learn.microsoft.com/azure/azure-functions/functions-reference#connections
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from azure.core.credentials import TokenCredential

from frame_tools.contracts.errors import InputError

DATA: Final = "DATA"
OPS: Final = "OPS"


@dataclass(frozen=True, kw_only=True)
class Account:
    """A storage account: a connection string, or two service URLs and an identity."""

    setting: str
    connection_string: str | None = None
    blob_url: str | None = None
    queue_url: str | None = None
    client_id: str | None = None
    """Client id of the user-assigned identity; None selects the default identity of the environment."""

    def credential(self) -> TokenCredential:
        """Return the identity's credential, which fetches tokens on first use."""
        from azure.identity import DefaultAzureCredential  # takes a fifth of a task's start-up; not needed for Azurite

        return DefaultAzureCredential(managed_identity_client_id=self.client_id)

    def task_environment(self) -> dict[str, str]:
        """Return the settings that a Batch task needs for this account: URLs, never keys.

        They are empty with a connection string: the node has its own (from the local pool's image file).
        """
        if self.connection_string or not self.blob_url:
            return {}
        urls = {f"{self.setting}__blobServiceUri": self.blob_url}
        return urls | ({f"{self.setting}__queueServiceUri": self.queue_url} if self.queue_url else {})


def account_from(environ: Mapping[str, str], setting: str) -> Account:
    """Read the account called `setting` ("DATA", "OPS"); raises InputError that names the missing setting."""
    if text := environ.get(setting):
        return Account(setting=setting, connection_string=text)
    blob_url = environ.get(f"{setting}__blobServiceUri")
    if not blob_url:
        raise InputError(
            f"The storage account {setting!r} is not configured",
            f"Set {setting} to a connection string (Azurite), or {setting}__blobServiceUri to the account's blob URL",
        )
    return Account(
        setting=setting,
        blob_url=blob_url,
        queue_url=environ.get(f"{setting}__queueServiceUri"),
        client_id=environ.get(f"{setting}__clientId") or environ.get("AZURE_CLIENT_ID"),
    )
