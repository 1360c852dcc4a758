"""Imports that the garbage collector is kept away from, because what they make stays until the process ends."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting_imports() -> Iterator[None]:
    """Collect no garbage within; later collections, also the one at the process's end, pass over what exists then.

    Looking at modules, classes and functions again and again took a fifth of the time to import torch, and the last
    look, at the end, as much once more.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
