"""The app in a worker process: loaded and called through Azure's own Python worker runtime.

The runtime is azure-functions-runtime 1.3.0. It expects gRPC messages but only reads and sets their attributes, so
small classes with the same names suffice; calls use its protobuf-free entry point `invocation_request_native`.
Source: https://github.com/Azure/azure-functions-python-worker (workers/azure_functions_runtime)
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import azure_functions_runtime as runtime
from azure_functions_runtime.native_invocation import invocation_request_native

from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.values import AppLoadError, Datum, InvocationResult, RetryContext

_THREADS: Final = "1000"
"""Threads for plain functions, as the real host sets them."""


class _Message:
    """Stand-in for any gRPC message: keywords become attributes."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class _StatusResult(_Message):
    Failure: Final = 0
    Success: Final = 1


class _BindingInfo(_Message):
    undefined: Final = 0
    out: Final = 1
    inout: Final = 2


_PLAIN_MESSAGES = (
    "WorkerInitResponse",
    "WorkerMetadata",
    "FunctionMetadataResponse",
    "RpcFunctionMetadata",
    "RpcRetryOptions",
    "RpcException",
)
_PROTOS = SimpleNamespace(
    StatusResult=_StatusResult,
    BindingInfo=_BindingInfo,
    **{name: type(name, (_Message,), {}) for name in _PLAIN_MESSAGES},
)


class App:
    """A loaded app. The runtime keeps its state in module globals, so a process can load one app only."""

    def __init__(self, functions: Sequence[Function]) -> None:
        self.functions = tuple(functions)

    @classmethod
    async def load(cls, root: Path) -> "App":
        """Import and index the app in `root`. Raises AppLoadError."""
        sys.path.insert(0, str(root))
        os.environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", _THREADS)
        runtime.start_threadpool_executor()
        answer = await runtime.worker_init_request(
            _request(worker_init_request=_Message(capabilities={}, function_app_directory=str(root)))
        )
        if answer.result.status != _StatusResult.Success:
            fault = answer.result.exception
            raise AppLoadError(f"{fault.message}\n{fault.stack_trace}")
        metadata = (await runtime.functions_metadata_request(_request())).function_metadata_results
        return cls([Function.from_metadata(item) for item in metadata or ()])

    async def call(
        self,
        function: Function,
        invocation_id: str,
        *,
        inputs: Sequence[tuple[str, Datum | None]],
        metadata: Mapping[str, Datum],
        attempt: RetryContext,
    ) -> InvocationResult:
        """Call the function once: plain functions in the runtime's thread pool, `async def` on this event loop.

        An exception of the function becomes part of the result and is not raised.
        """
        ok, returned, outputs, error, trace = await invocation_request_native(
            invocation_id,
            function.id,
            list(inputs),
            metadata,
            retry_count=attempt.retry,
            max_retry_count=attempt.max_retries,
        )
        if ok:
            return InvocationResult(ok=True, returned=returned, outputs=dict(outputs))
        return InvocationResult(ok=False, error=_last_line(trace) or error, trace=(trace or "").rstrip())


def _request(**verbs: Any) -> _Message:
    return _Message(request=_Message(**verbs), properties={"protos": _PROTOS, "host": "127.0.0.1"})


def _last_line(trace: str | None) -> str:
    return (trace or "").strip().rpartition("\n")[2]
