"""Functions as values: what the worker says of an app, in the words of this host."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class Binding:
    """One binding of a function: its parameter's name, its type in lower case and the decorator's arguments."""

    name: str
    type: str
    is_output: bool
    arguments: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str) -> "Binding":
        """Read one of the worker's raw bindings."""
        raw = json.loads(text)
        return cls(raw["name"], raw["type"].lower(), raw["direction"].lower() == "out", raw)

    @property
    def is_trigger(self) -> bool:
        """Whether this binding starts the function."""
        return self.type.endswith("trigger")

    @property
    def connection(self) -> str | None:
        """The name of the binding's connection; None for the host's own storage."""
        return self.arguments.get("connection")

    @property
    def is_binary(self) -> bool:
        """Whether an input is handed over as bytes rather than as UTF-8 text."""
        return str(self.arguments.get("dataType", "")).lower() == "binary"


@dataclass(frozen=True)
class RetryPolicy:
    """`@app.retry`: how often a failed call is repeated (-1: for ever), and after how long."""

    max_retries: int
    fixed: timedelta | None
    minimum: timedelta
    maximum: timedelta

    @classmethod
    def from_options(cls, options: Any) -> "RetryPolicy":
        """Read the worker's RpcRetryOptions: delay_interval, or minimum_interval and maximum_interval."""
        return cls(
            max_retries=options.max_retry_count,
            fixed=getattr(options, "delay_interval", None),
            minimum=getattr(options, "minimum_interval", timedelta(0)),
            maximum=getattr(options, "maximum_interval", timedelta(0)),
        )

    def allows(self, retry: int) -> bool:
        """Whether there is a retry with this number, counted from 1."""
        return self.max_retries < 0 or retry <= self.max_retries

    def delay(self, retry: int) -> timedelta:
        """The wait before the retry with this number, counted from 1."""
        if self.fixed is not None:
            return self.fixed
        return min(self.maximum, self.minimum * (1 << min(retry - 1, 32)))


@dataclass(frozen=True)
class Function:
    """One function of the app."""

    id: str
    name: str
    trigger: Binding
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    retry: RetryPolicy | None

    @classmethod
    def from_metadata(cls, metadata: Any) -> "Function":
        """Read the worker's RpcFunctionMetadata."""
        bindings = [Binding.from_json(text) for text in metadata.raw_bindings]
        trigger = next(binding for binding in bindings if binding.is_trigger)
        return cls(
            id=metadata.function_id,
            name=metadata.name,
            trigger=trigger,
            inputs=tuple(b for b in bindings if not b.is_output and b is not trigger),
            outputs=tuple(b for b in bindings if b.is_output),
            retry=RetryPolicy.from_options(metadata.retry_options) if metadata.retry_options else None,
        )

    @property
    def host_name(self) -> str:
        """The name the host uses in receipts, timers, locks and events."""
        return f"Host.Functions.{self.name}"
