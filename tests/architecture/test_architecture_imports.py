"""Who may import what: one module per foreign SDK, no torch in the function app, the environment read in few places.

The contracts between our own packages stand in pyproject.toml, for import-linter.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("orchestration", "frame_tools", "scoring", "local_cloud", "samples", "benchmarks")
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "function_app.py", *(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))]
)

ONLY_IN = {
    "azure.batch": ("orchestration/azure_batch/client.py",),
    "azure.storage.blob": ("frame_tools/storage/blobs/", "local_cloud/"),
    "azure.storage.queue": ("frame_tools/storage/queues.py", "local_cloud/"),
    "azure.identity": ("frame_tools/storage/accounts.py", "orchestration/azure_batch/client.py", "local_cloud/"),
    "azure.functions": ("function_app.py", "local_cloud/"),
    "av": ("frame_tools/media/", "samples/", "benchmarks/"),
    "torch": ("scoring/", "benchmarks/"),
    "cv2": ("scoring/", "benchmarks/"),
    "numpy": ("scoring/", "benchmarks/", "samples/"),
    "subprocess": ("local_cloud/", "scoring/", "benchmarks/"),
}
ENVIRONMENT_IN = ("function_app.py", "orchestration/app.py", "local_cloud/", "samples/", "benchmarks/")


def imports(source: str) -> Iterator[str]:
    """Yield every module that a source imports, wherever in it: `from a import b` as a and as a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_of(source: str, package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imports(source))


def reads_environment(source: str) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv")}
        for node in ast.walk(ast.parse(source))
    ) or any(name in ("os.environ", "os.getenv") for name in imports(source))


def prints(source: str) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for node in ast.walk(ast.parse(source))
    )


def uses_a_shell(source: str) -> bool:
    return any(
        keyword.arg == "shell" for node in ast.walk(ast.parse(source)) for keyword in getattr(node, "keywords", [])
    )


def offenders(found: Callable[[str], bool], allowed: tuple[str, ...]) -> list[str]:
    return [name for name in MODULES if not name.startswith(allowed) and found((ROOT / name).read_text())]


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_foreign_package_is_imported_in_its_place_only(package: str) -> None:
    assert offenders(lambda source: imports_of(source, package), ONLY_IN[package]) == []


def test_the_environment_is_read_in_few_places() -> None:
    allowed = (*ENVIRONMENT_IN, *(name for name in MODULES if name.endswith("/cli.py")))
    assert offenders(reads_environment, allowed) == []


def test_only_command_lines_print() -> None:
    allowed = ("samples/", "benchmarks/", *(name for name in MODULES if name.endswith("/cli.py")))
    assert offenders(prints, allowed) == []


def test_no_shell_is_ever_asked() -> None:
    assert offenders(uses_a_shell, ()) == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / name).read_text())), f"{name} has no docstring"


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ("import azure.batch", "azure.batch"),
        ("from azure.batch import models", "azure.batch"),
        ("from azure import batch", "azure.batch"),
        ("def f():\n    import av.video", "av"),
        ("from azure.storage.blob.aio import X", "azure.storage.blob"),
    ],
)
def test_every_way_to_import_is_seen(source: str, package: str) -> None:
    assert imports_of(source, package)
    assert not imports_of("import avalon, batch\nfrom . import av", "av")


def test_the_other_looks_see_what_they_should() -> None:
    assert reads_environment("import os\nx = os.environ['A']")
    assert reads_environment("from os import environ")
    assert not reads_environment("import os\nos.getcwd()")
    assert prints("print(1)")
    assert not prints("x.print(1)")
    assert uses_a_shell("run(x, shell=True)")
    assert len(MODULES) > 60


BLOCK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "cv2", "numpy", "onnx", "safetensors", "scoring", "local_cloud"}:
            raise ImportError(f"{name} is not in the function app")
sys.meta_path.insert(0, Absent())
"""


def run_without_the_scorer(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python where nothing of the scorer can be imported, with no settings at all."""
    return subprocess.run(
        [sys.executable, "-c", BLOCK + code],
        cwd=ROOT,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_function_app_is_listed_without_scorer_and_settings() -> None:
    done = run_without_the_scorer("import function_app\nassert len(function_app.app.get_functions()) == 12")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["torch", "numpy", "cv2", "scoring.cli", "local_cloud"])
def test_what_is_made_absent_is_absent(name: str) -> None:
    done = run_without_the_scorer(f"import {name}")
    assert done.returncode == 1
    assert f"ImportError: {name.split('.')[0]} is not in the function app" in done.stderr
