"""Imports that the garbage collector is kept away from, as in `frame_tools`, which the local cloud does not import."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting_imports() -> Iterator[None]:
    """Collect no garbage within; later collections, also the one at the process's end, pass over what exists then.

    Modules, classes and functions are never garbage, but looking at them takes a tenth of the time of a start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
