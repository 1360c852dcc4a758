"""Storage accounts of the local cloud, and the app's settings for it (the values of local.settings.json.example).

`devstoreaccount1` and its key are the ones that Azurite publishes, so every storage tool finds the data account without
configuration. The ops account is a second account whose key says, in base64, that it is not a secret.
https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
"""

import base64
from dataclasses import dataclass
from typing import Final

DATA_ACCOUNT: Final = "devstoreaccount1"
DATA_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
OPS_ACCOUNT: Final = "impastoops"
OPS_KEY: Final = base64.b64encode(b"this is no secret: it opens a storage emulator on 127.0.0.1 only").decode()
NODE_IMAGE: Final = "impasto-node:local"
POOL_ID: Final = "gpu"
THREADS: Final = "100"
"""Threads for functions in a worker, as the templates set them; the real host's default is 1000."""
POOL_IDENTITY: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/node"
)
"""The identity that the local Batch service gives to its nodes (`batch_service/execution/file_transfer.py`)."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Ports of the local cloud on 127.0.0.1; 0 selects a free port."""

    blob: int = 10000
    queue: int = 10001
    table: int = 10002
    batch: int = 10010
    functions: int = 7071


FREE_PORTS: Final = Ports(blob=0, queue=0, table=0, batch=0, functions=0)


def default_ports(offset: int = 0) -> Ports:
    """Return the default ports, each increased by `offset`."""
    usual = Ports()
    return Ports(**{name: getattr(usual, name) + offset for name in Ports.__dataclass_fields__})


def connection_string(account: str, key: str, ports: Ports) -> str:
    """Return the connection string of an account in Azurite."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};"
        f"BlobEndpoint=http://127.0.0.1:{ports.blob}/{account};QueueEndpoint=http://127.0.0.1:{ports.queue}/{account};"
        f"TableEndpoint=http://127.0.0.1:{ports.table}/{account};"
    )


def storage_settings(ports: Ports) -> dict[str, str]:
    """Return the connection strings DATA and OPS, which compute nodes and command-line tools need."""
    return {
        "DATA": connection_string(DATA_ACCOUNT, DATA_KEY, ports),
        "OPS": connection_string(OPS_ACCOUNT, OPS_KEY, ports),
    }


def app_settings(ports: Ports) -> dict[str, str]:
    """Return the Function App's settings for the local cloud."""
    storage = storage_settings(ports)
    return {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": storage["OPS"],
        "AzureFunctionsWebHost__hostid": "impasto-local",
        "PYTHON_THREADPOOL_THREAD_COUNT": THREADS,
        **storage,
        "TRIGGER_SOURCE": "LogsAndContainerScan",
        "SWEEP_SCHEDULE": "*/15 * * * * *",
        "SWEEP_GRACE_SECONDS": "20",
        "BATCH_ENDPOINT": f"http://127.0.0.1:{ports.batch}",
        "BATCH_POOL_ID": POOL_ID,
        "BATCH_POOL_IDENTITY": POOL_IDENTITY,
        "POOL_TASKS": "1",
        "NODE_IMAGE": NODE_IMAGE,
        "BROWSER_UPLOADS": "true",
    }
