"""Whether the host has loaded the functions. A host that runs has not necessarily loaded any of them."""

import ast
from pathlib import Path

from infra.hooks.azure import ROOT, AzureCli

SOURCE = ROOT / "function_app.py"


def expected_functions(source: Path = SOURCE) -> set[str]:
    """Return the names of the functions in function_app.py: those that a decorator of `app` registers."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and _is_registered(node)}


def _is_registered(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(item, ast.Call)
        and isinstance(item.func, ast.Attribute)
        and isinstance(item.func.value, ast.Name)
        and item.func.value.id == "app"
        for item in function.decorator_list
    )


def missing_functions(az: AzureCli, group: str, app: str) -> set[str]:
    """Return the functions that the host has not loaded; all of them if the list cannot be read."""
    arguments = ("functionapp", "function", "list", "--resource-group", group, "--name", app)
    listing = az.read(*arguments, "--query", "[].name", "--output", "tsv") or ""
    return expected_functions() - {name.rpartition("/")[2].strip() for name in listing.splitlines()}
