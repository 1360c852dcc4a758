"""Whether the host has loaded the functions. A host that runs has not necessarily loaded any of them."""

import ast
from pathlib import Path

from infra.hooks.azure import ROOT, AzureCli

SOURCES = {ROOT / "function_app.py": "app", ROOT / "orchestration" / "web" / "functions.py": "page"}
"""Files with functions, and the name of what registers them."""


def expected_functions() -> set[str]:
    """Return the names of the app's functions: those that a decorator of `app` or of its blueprint registers."""
    return {name for source, registry in SOURCES.items() for name in _functions_in(source, registry)}


def _functions_in(source: Path, registry: str) -> set[str]:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and _is_registered(node, registry)}


def _is_registered(function: ast.FunctionDef, registry: str) -> bool:
    return any(
        isinstance(item, ast.Call)
        and isinstance(item.func, ast.Attribute)
        and isinstance(item.func.value, ast.Name)
        and item.func.value.id == registry
        for item in function.decorator_list
    )


def missing_functions(az: AzureCli, group: str, app: str) -> set[str]:
    """Return the functions that the host has not loaded; all of them if the list cannot be read."""
    arguments = ("functionapp", "function", "list", "--resource-group", group, "--name", app)
    listing = az.read(*arguments, "--query", "[].name", "--output", "tsv") or ""
    return expected_functions() - {name.rpartition("/")[2].strip() for name in listing.splitlines()}
