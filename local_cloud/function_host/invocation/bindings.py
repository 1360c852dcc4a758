"""Bindings besides the trigger: inputs are read before a function runs, outputs written after it.

Inputs are blobs and tables; outputs are blobs, queue messages, events and the HTTP response.
"""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from local_cloud.function_host.config.expressions import ExpressionError, expand
from local_cloud.function_host.config.settings import HostSettings, SettingsError
from local_cloud.function_host.invocation.functions import Binding, Function
from local_cloud.function_host.invocation.values import Datum, InvocationResult, bytes_datum, json_datum, text_datum
from local_cloud.function_host.storage.clients import Storage, ensure_container
from local_cloud.function_host.storage.messages import Encoding, encode
from local_cloud.function_host.storage.tables import query_entities

_SUPPORTED = {"in": {"blob", "table"}, "out": {"blob", "queue", "eventgrid", "http"}}
_PUBLISH_SECONDS = 30


class Bindings:
    """The input and output bindings of all functions of an app."""

    def __init__(self, settings: HostSettings, storage: Storage) -> None:
        self._settings = settings
        self._storage = storage

    def check(self, function: Function) -> None:
        """Raise SettingsError if a binding has an unsupported type or no connection."""
        for binding in (*function.inputs, *function.outputs):
            direction = "out" if binding.is_output else "in"
            if binding.type not in _SUPPORTED[direction]:
                raise SettingsError(
                    f"function {function.name}: {direction}put binding {binding.type!r} is not supported here,"
                    f" only {', '.join(sorted(_SUPPORTED[direction]))}; use an SDK client in the function instead"
                )
            if binding.type == "eventgrid":
                self._topic(binding)
            elif binding.type != "http":
                self._settings.connection_string(binding.connection)

    async def read(self, binding: Binding, data: Mapping[str, object]) -> Datum | None:
        """Return an input; None if it does not exist. Raises AzureError.

        A blob is bytes if its dataType is binary, else text; as in Azure, invalid UTF-8 in text is replaced, so binary
        inputs must declare their type. A table is a JSON array of entities, or one entity if the row key is given.
        """
        if binding.type == "table":
            return await self._read_table(binding, data)
        try:
            download = await self._blob(binding, data).download_blob()
            content = await download.readall()
        except ResourceNotFoundError:
            return None
        return bytes_datum(content) if binding.is_binary else text_datum(content.decode("utf-8", "replace"))

    async def write(self, function: Function, outcome: InvocationResult, data: Mapping[str, object]) -> None:
        """Write the function's outputs. Raises AzureError, ExpressionError or UndecodableMessageError."""
        for binding in function.outputs:
            datum = outcome.output(binding.name)
            if datum is None or binding.type == "http":
                continue
            if binding.type == "blob":
                await self._write_blob(binding, datum, data)
            elif binding.type == "eventgrid":
                await self._publish(binding, datum)
            else:
                await self._write_messages(binding, datum, data)

    async def _read_table(self, binding: Binding, data: Mapping[str, object]) -> Datum | None:
        def argument(name: str) -> str:
            return expand(self._settings.resolve(str(binding.arguments.get(name) or "")), data)

        keys = {"PartitionKey": argument("partitionKey"), "RowKey": argument("rowKey")}
        conditions = [f"{name} eq '{value.replace(chr(39), chr(39) * 2)}'" for name, value in keys.items() if value]
        conditions += [argument("filter")] if argument("filter") else []
        options = {"$filter": " and ".join(conditions)} if conditions else {}
        options |= {"$top": argument("take")} if argument("take") else {}
        connection = self._settings.connection_string(binding.connection)
        entities = await query_entities(connection, argument("tableName"), options)
        if not keys["RowKey"]:
            return json_datum(entities)
        return json_datum(entities[0]) if entities else None

    def _topic(self, binding: Binding) -> tuple[str, str]:
        """Return URL and key of a topic, from the settings that the binding names. Raises SettingsError."""
        names = [str(binding.arguments.get(name) or "") for name in ("topicEndpointUri", "topicKeySetting")]
        if missing := [name for name in names if not self._settings.values.get(name)]:
            raise SettingsError(f"binding {binding.name} needs the settings {', '.join(missing)}, which are not set")
        return self._settings.values[names[0]], self._settings.values[names[1]]

    async def _publish(self, binding: Binding, datum: Datum) -> None:
        url, key = self._topic(binding)
        events = json.loads(datum.value)
        body = events if isinstance(events, list) else [events]
        timeout = ClientTimeout(total=_PUBLISH_SECONDS)
        async with (
            ClientSession(timeout=timeout) as session,
            session.post(url, json=body, headers={"aeg-sas-key": key}) as response,
        ):
            response.raise_for_status()

    def _blob(self, binding: Binding, data: Mapping[str, object]) -> BlobClient:
        path = expand(self._settings.resolve(binding.arguments["path"]), data)
        container, slash, name = path.partition("/")
        if not (container and slash and name):
            raise ExpressionError(f"blob path {path!r} must be container/name")
        return self._storage.blobs(binding.connection).get_blob_client(container, name)

    async def _write_blob(self, binding: Binding, datum: Datum, data: Mapping[str, object]) -> None:
        blob = self._blob(binding, data)
        await ensure_container(self._storage.blobs(binding.connection).get_container_client(blob.container_name))
        await blob.upload_blob(_as_bytes(datum.value), overwrite=True)

    async def _write_messages(self, binding: Binding, datum: Datum, data: Mapping[str, object]) -> None:
        queue = expand(self._settings.resolve(binding.arguments["queueName"]), data).lower()
        encoding: Encoding = self._settings.host_json.extensions.queues.message_encoding
        for body in message_bodies(datum):
            await self._storage.send(binding.connection, queue, encode(body, encoding))


def message_bodies(datum: Datum) -> list[bytes]:
    """Return the messages of a queue output: one per element of a JSON array, else one.

    The worker passes a `func.QueueMessage` as `{"id", "body"}`; its body is the message.
    """
    if datum.type == "bytes":
        return [datum.value]
    try:
        value = json.loads(datum.value)
    except ValueError:
        return [_as_bytes(datum.value)]
    if isinstance(value, list):
        return [_message_body(item) for item in value]
    return [_message_body(value) if datum.type == "json" else _as_bytes(datum.value)]


def _message_body(item: Any) -> bytes:
    if isinstance(item, dict) and set(item) == {"id", "body"}:
        item = item["body"] or ""
    return _as_bytes(item if isinstance(item, str) else json.dumps(item))


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8")
