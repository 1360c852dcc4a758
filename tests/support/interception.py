"""Replacement of single methods of a service, so that something else happens before, after or instead of a call."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class _Intercepted:
    """Delegates to a service; calls of intercepted methods go to a hook."""

    def __init__(self, service: Any, hooks: dict[str, Callable[..., Any]]) -> None:
        self._service = service
        self._hooks = hooks

    def __getattr__(self, name: str) -> Any:
        original = getattr(self._service, name)
        hook = self._hooks.get(name)
        return original if hook is None else partial(hook, original)


def intercept(service: T, **hooks: Callable[..., Any]) -> T:
    """Return `service` with each method named in `hooks` replaced.

    A hook is called with the original method, then with the arguments of the call.
    """
    intercepted: Any = _Intercepted(service, hooks)
    return intercepted
