"""Functions and bindings as values, built from the worker's metadata."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class Binding:
    """A binding of a function: parameter name, lowercase type and the decorator's arguments."""

    name: str
    type: str
    is_output: bool
    arguments: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str) -> "Binding":
        """Parse one of the worker's raw bindings."""
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
        """Whether an input is passed as bytes rather than as UTF-8 text."""
        return str(self.arguments.get("dataType", "")).lower() == "binary"


@dataclass(frozen=True)
class RetryPolicy:
    """`@app.retry`: how many times a failed call is repeated (-1: without limit), and after which delays."""

    max_retries: int
    fixed: timedelta | None
    minimum: timedelta
    maximum: timedelta

    @classmethod
    def from_options(cls, options: Any) -> "RetryPolicy":
        """Convert the worker's RpcRetryOptions: delay_interval, or minimum_interval and maximum_interval."""
        return cls(
            max_retries=options.max_retry_count,
            fixed=getattr(options, "delay_interval", None),
            minimum=getattr(options, "minimum_interval", timedelta(0)),
            maximum=getattr(options, "maximum_interval", timedelta(0)),
        )

    def allows(self, retry: int) -> bool:
        """Return whether the retry with this number, counted from 1, is allowed."""
        return self.max_retries < 0 or retry <= self.max_retries

    def delay(self, retry: int, spread: float) -> timedelta:
        """Return the delay before the retry with this number, counted from 1.

        An exponential delay begins with the minimum, to which each further retry adds a doubled minimum times `spread`,
        a random number from 0.8 to 1.2.
        Source: Azure/azure-webjobs-sdk, RandomizedExponentialBackoffStrategy.cs
        """
        if self.fixed is not None:
            return self.fixed
        added = timedelta() if retry == 1 else self.minimum * (1 << min(retry - 2, 32)) * spread
        return min(self.maximum, self.minimum + added)


@dataclass(frozen=True)
class Function:
    """A function of the app."""

    id: str
    name: str
    trigger: Binding
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    retry: RetryPolicy | None

    @classmethod
    def from_metadata(cls, metadata: Any) -> "Function":
        """Build the function from the worker's RpcFunctionMetadata."""
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
        """The function's name in receipts, timers, locks and events."""
        return f"Host.Functions.{self.name}"
