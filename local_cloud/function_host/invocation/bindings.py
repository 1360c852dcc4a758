"""Blob and queue bindings besides the trigger: inputs are read before a function runs, outputs written after it."""

import json
from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from local_cloud.function_host.config.expressions import ExpressionError, expand
from local_cloud.function_host.config.settings import HostSettings, SettingsError
from local_cloud.function_host.invocation.functions import Binding, Function
from local_cloud.function_host.invocation.values import Datum, InvocationResult, bytes_datum, text_datum
from local_cloud.function_host.storage.clients import Storage, ensure_container
from local_cloud.function_host.storage.messages import Encoding, encode

_SUPPORTED = {"in": {"blob"}, "out": {"blob", "queue", "http"}}


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
            if binding.type != "http":
                self._settings.connection_string(binding.connection)

    async def read(self, binding: Binding, data: Mapping[str, object]) -> Datum | None:
        """Return a blob input: bytes if its dataType is binary, else text; None if the blob does not exist.

        As in Azure, invalid UTF-8 in text is replaced, so binary inputs must declare their type. Raises AzureError.
        """
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
            else:
                await self._write_messages(binding, datum, data)

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
