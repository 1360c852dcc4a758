"""How to reach the two storage accounts, read from settings; the only importer of `azure.identity` on the floor.

A connection is named as Azure Functions names it: setting `DATA` holds a connection string (Azurite), or
`DATA__blobServiceUri` and `DATA__queueServiceUri` hold URLs and the identity signs (Azure).
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
    """One storage account: a connection string, or two service URLs for an identity."""

    setting: str
    connection_string: str | None = None
    blob_url: str | None = None
    queue_url: str | None = None
    client_id: str | None = None
    """Of the user-assigned identity; None takes the environment's own."""

    def credential(self) -> TokenCredential:
        """Return the identity's credential; tokens are fetched when first needed."""
        from azure.identity import DefaultAzureCredential  # a fifth of a task's start-up, and Azurite needs none

        return DefaultAzureCredential(managed_identity_client_id=self.client_id)

    def task_environment(self) -> dict[str, str]:
        """Return the settings that a Batch task needs for this account: URLs, never keys.

        With a connection string there is nothing to hand on: the node has its own (the local pool's image file).
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
            f"The storage account {setting!r} is not set",
            f"Set {setting} to a connection string (Azurite), or {setting}__blobServiceUri to the account's blob URL",
        )
    return Account(
        setting=setting,
        blob_url=blob_url,
        queue_url=environ.get(f"{setting}__queueServiceUri"),
        client_id=environ.get(f"{setting}__clientId") or environ.get("AZURE_CLIENT_ID"),
    )
