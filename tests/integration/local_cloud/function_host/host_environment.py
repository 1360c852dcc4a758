"""The environment of a host under test: its own containers, queues, host id and record file in one Azurite."""

import json
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobClient, BlobServiceClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from local_cloud.function_host.storage import tables

APPS = Path(__file__).parent / "apps"
ACCOUNT = "devstoreaccount1"
# Azurite's published key; not a secret.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Azurite:
    """A running Azurite: the addresses of its services, without the account."""

    blob_url: str
    queue_url: str
    table_url: str

    @property
    def connection_string(self) -> str:
        return f"{connection_string(self.blob_url, self.queue_url)}TableEndpoint={self.table_url}/{ACCOUNT};"


def connection_string(blob_url: str, queue_url: str) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint={blob_url}/{ACCOUNT};QueueEndpoint={queue_url}/{ACCOUNT};"
    )


class HostEnvironment:
    """The storage and settings of one host, and the records of its functions."""

    def __init__(self, azurite: Azurite, folder: Path) -> None:
        self.azurite = azurite
        self.prefix = f"t{uuid.uuid4().hex[:10]}"
        self.app = folder / "app"
        shutil.copytree(APPS / "sample", self.app)
        self.record_file = folder / "record.jsonl"
        self.env = {
            "AzureWebJobsStorage": azurite.connection_string,
            "Data": azurite.connection_string,
            "AzureFunctionsWebHost__hostid": f"host-{self.prefix}",
            "PREFIX": self.prefix,
            "RECORD": str(self.record_file),
            "SCHEDULE": "0 0 0 1 1 *",
            "TOPIC": "http://127.0.0.1:1/",
            "TOPIC_KEY": "topic-key",
        }

    def records(self, function: str | None = None) -> list[dict[str, Any]]:
        if not self.record_file.exists():
            return []
        lines = [json.loads(line) for line in self.record_file.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if function in (None, line["function"])]

    def blob(self, container: str, name: str) -> BlobClient:
        service = BlobServiceClient.from_connection_string(self.azurite.connection_string)
        with suppress(ResourceExistsError):
            service.create_container(f"{self.prefix}-{container}")
        return service.get_blob_client(f"{self.prefix}-{container}", name)

    def upload(self, name: str, body: bytes) -> None:
        self.blob("in", name).upload_blob(body, overwrite=True, metadata={"kind": "test"})

    def queue(self, name: str, *, plain: bool = False) -> QueueClient:
        policy = None if plain else TextBase64EncodePolicy()
        queue = QueueClient.from_connection_string(self.azurite.connection_string, name, message_encode_policy=policy)
        with suppress(ResourceExistsError):
            queue.create_queue()
        return queue

    def insert_entity(self, partition: str, row: str) -> None:
        """Insert an entity into the table with the environment's prefix as its name; create the table."""
        url = f"{self.azurite.table_url}/{ACCOUNT}"
        for path, entity in (
            ("Tables", {"TableName": self.prefix}),
            (self.prefix, {"PartitionKey": partition, "RowKey": row}),
        ):
            headers = tables._headers(ACCOUNT, KEY, f"/{ACCOUNT}/{path}")
            requests.post(f"{url}/{path}", json=entity, headers=headers, timeout=20)

    def send(self, **order: object) -> None:
        self.queue(f"{self.prefix}-work").send_message(json.dumps(order))
