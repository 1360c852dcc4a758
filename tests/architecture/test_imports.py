"""Import rules: one place per foreign SDK, no torch in the Function App, few readers of the environment.

The contracts between our own packages and their layers are in pyproject.toml, for import-linter.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.architecture.modules import MODULES, ROOT

ONLY_IN = {
    "azure.batch": ("orchestration/azure_batch/answers.py", "orchestration/azure_batch/client.py"),
    "azure.storage.blob": ("frame_tools/storage/blobs/", "local_cloud/"),
    "azure.storage.queue": ("frame_tools/storage/queues.py", "local_cloud/"),
    "azure.identity": ("frame_tools/storage/accounts.py", "orchestration/azure_batch/client.py", "local_cloud/"),
    "azure.functions": ("function_app.py", "orchestration/web/functions.py", "local_cloud/"),
    "av": ("frame_tools/media/", "samples/", "benchmarks/"),
    "torch": ("scoring/", "benchmarks/", "samples/scorers/"),
    "cv2": ("scoring/", "benchmarks/", "samples/scorers/"),
    "numpy": ("scoring/", "benchmarks/", "samples/"),
    "duckdb": ("frame_tools/client/parquet.py", "infra/tools/"),
    "matplotlib": ("benchmarks/", "infra/tools/"),
    "croniter": ("local_cloud/",),
    "jinja2": ("orchestration/reporting/page.py", "orchestration/web/render.py", "frame_tools/client/gallery.py"),
    "subprocess": ("local_cloud/", "scoring/", "benchmarks/", "infra/", "frame_tools/cli/programs.py"),
}
COMMAND_LINES = tuple(name for name in MODULES if name.endswith(("/cli.py", "/commands.py")) or "/cli/" in name)
READ_ENVIRONMENT = (
    "function_app.py",
    "orchestration/app.py",
    "local_cloud/",
    "samples/",
    "benchmarks/",
    "infra/hooks/__main__.py",
    "infra/tools/bicep/",
)


def imports(source: str) -> Iterator[str]:
    """Yield every module that a source imports, wherever in it: `from a import b` as a and as a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_package(source: str, package: str) -> bool:
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


def uses_shell(source: str) -> bool:
    return any(
        keyword.arg == "shell" for node in ast.walk(ast.parse(source)) for keyword in getattr(node, "keywords", [])
    )


def offenders(condition: Callable[[str], bool], allowed: tuple[str, ...]) -> list[str]:
    return [
        name
        for name in MODULES
        if not name.startswith(allowed) and condition((ROOT / name).read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("package", ONLY_IN)
def test_foreign_package_has_one_place(package: str) -> None:
    assert offenders(lambda source: imports_package(source, package), ONLY_IN[package]) == []


def test_few_modules_read_environment() -> None:
    assert offenders(reads_environment, (*READ_ENVIRONMENT, *COMMAND_LINES)) == []


def test_only_command_lines_print() -> None:
    assert offenders(prints, ("samples/", "benchmarks/", "infra/tools/", "infra/hooks/", *COMMAND_LINES)) == []


def test_nothing_uses_a_shell() -> None:
    assert offenders(uses_shell, ()) == []


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("import azure.batch", "azure.batch", True),
        ("from azure.batch import models", "azure.batch", True),
        ("from azure import batch", "azure.batch", True),
        ("def f():\n    import av.video", "av", True),
        ("from azure.storage.blob.aio import X", "azure.storage.blob", True),
        ("import avalon, batch\nfrom . import av", "av", False),
        ("from azure.batching import models", "azure.batch", False),
    ],
)
def test_imports_package_sees_every_form(source: str, package: str, expected: bool) -> None:
    assert imports_package(source, package) == expected


def test_other_rules_see_what_they_should() -> None:
    assert reads_environment("import os\nx = os.environ['A']")
    assert reads_environment("from os import environ")
    assert not reads_environment("import os\nos.getcwd()")
    assert prints("print(1)")
    assert not prints("x.print(1)")
    assert uses_shell("run(x, shell=True)")
    assert not uses_shell("run(x)")


BLOCK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        absent = {"torch", "cv2", "numpy", "onnx", "safetensors", "matplotlib", "scoring", "local_cloud"}
        if name.split(".")[0] in absent:
            raise ImportError(f"{name} is not in the function app")
sys.meta_path.insert(0, Absent())
"""


def run_without_scorer(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python where nothing of the scorer can be imported, without any settings."""
    return subprocess.run(
        [sys.executable, "-c", BLOCK + code],
        cwd=ROOT,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_function_app_imports_without_scorer_and_settings() -> None:
    result = run_without_scorer("import function_app\nassert len(function_app.app.get_functions()) > 12")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", ["torch", "numpy", "cv2", "scoring.cli", "local_cloud"])
def test_blocked_import_fails(name: str) -> None:
    result = run_without_scorer(f"import {name}")
    assert result.returncode == 1
    assert f"ImportError: {name.split('.')[0]} is not in the function app" in result.stderr
