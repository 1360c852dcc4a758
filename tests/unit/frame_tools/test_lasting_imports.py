"""Imports that stay: no collection looks at them, neither while they are made nor later."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

import frame_tools.lasting_imports
import local_cloud.lasting_imports

BOTH = pytest.mark.parametrize(
    "lasting_imports", [frame_tools.lasting_imports.lasting_imports, local_cloud.lasting_imports.lasting_imports]
)
Imports = Callable[[], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def _unfrozen() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@BOTH
def test_nothing_is_collected_within_and_what_exists_is_kept(lasting_imports: Imports) -> None:
    with lasting_imports():
        assert not gc.isenabled()
        kept: list[list[str]] = [[], []]
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(kept)


@BOTH
def test_who_collects_no_garbage_before_collects_none_afterwards(lasting_imports: Imports) -> None:
    gc.disable()
    with lasting_imports():
        pass
    assert not gc.isenabled()


@BOTH
def test_an_import_that_fails_leaves_the_collector_on(lasting_imports: Imports) -> None:
    with pytest.raises(ImportError), lasting_imports():
        raise ImportError
    assert gc.isenabled()


@pytest.mark.parametrize(
    "module", ["frame_tools", "local_cloud", "local_cloud.batch_service", "local_cloud.function_host"]
)
def test_programs_import_this_way(module: str) -> None:
    program = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 10_000, gc.isenabled(), file=sys.stderr))\n"
        f"import {module}.__main__ as program; sys.argv = ['program', '--help']; program.main()\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stderr == "True True\n"
