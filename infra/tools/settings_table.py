"""The app's settings for people: the table in README.md, and local.settings.json.example, each with every setting.

Both are made of the docstrings and defaults in orchestration/settings.py; the example takes the local cloud's own
values where it has some. `python -m infra.tools.settings_table` writes both; a test compares.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pydantic_core import PydanticUndefined

from infra.tools import pages
from local_cloud.accounts import Ports, app_settings
from orchestration.settings import HostSettings, Settings

REPOSITORY: Final = Path(__file__).parents[2]
PAGE: Final = REPOSITORY / "README.md"
EXAMPLE: Final = REPOSITORY / "local.settings.json.example"
BEGIN: Final = "<!-- settings -->"
END: Final = "<!-- /settings -->"
OF_HOST_AND_ACCOUNTS: Final = {
    "AzureWebJobsStorage__…": "The Functions host's own storage: the ops account, by the app's identity.",
    "DATA__blobServiceUri": "Blob endpoint of the data account. `DATA` alone is a connection string (Azurite).",
    "DATA__queueServiceUri": "Where the host puts poisoned trigger files: the ops account's queue endpoint.",
    "OPS__blobServiceUri": "Blob endpoint of the ops account. `OPS` alone is a connection string (Azurite).",
    "OPS__queueServiceUri": "Queue endpoint of the ops account.",
    "DATA__credential, OPS__credential": "`managedidentity`: the host's triggers sign with an identity.",
    "DATA__clientId, OPS__clientId": "Client id of that identity.",
    "AZURE_CLIENT_ID": "The same client id, for the app's own clients.",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "Where logs go; holds no secret.",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "That logs, too, are sent by the identity.",
}
"""Settings that others read: the host, `frame_tools.storage.accounts`, the Azure SDK."""


def table() -> str:
    """Return the table as Markdown."""
    rows = [f"| `{name}` | set by the templates | {words} |" for name, words in OF_HOST_AND_ACCOUNTS.items()]
    for model in (HostSettings, Settings):
        words = dict(_docstrings(model))
        rows += [f"| `{name}` | {_shown(default)} | {words[name.lower()]} |" for name, default in _defaults(model)]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def page_with(page: str, text: str) -> str:
    """Return the page with `text` between its markers."""
    return pages.page_with(page, text, begin=BEGIN, end=END)


def example() -> str:
    """Return the text of local.settings.json.example."""
    local = app_settings(Ports())
    defaults = {name: default for model in (HostSettings, Settings) for name, default in _defaults(model)}
    others = {name: value for name, value in local.items() if name not in defaults}
    values = others | {name: local.get(name, str(default)) for name, default in defaults.items()}
    content = {"IsEncrypted": False, "Values": values, "Host": {"LocalHttpPort": Ports().functions}}
    return json.dumps(content, indent=2) + "\n"


def _defaults(model: type[HostSettings | Settings]) -> Iterator[tuple[str, Any]]:
    """Give (variable, default) of each setting; PydanticUndefined for one that is needed."""
    for name, field in model.model_fields.items():
        yield name.upper(), field.default


def _shown(default: object) -> str:
    if default is PydanticUndefined:
        return "needed"
    return f"`{default}`" if default != "" else "empty"


def _docstrings(model: type[HostSettings | Settings]) -> Iterator[tuple[str, str]]:
    """Give (field, its docstring): the string behind each annotated name in the class."""
    (found,) = ast.parse(inspect.getsource(model)).body
    body = found.body if isinstance(found, ast.ClassDef) else []
    for statement, after in pairwise(body):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and is_text:
            yield statement.target.id, inspect.cleandoc(ast.literal_eval(after.value))  # type: ignore[attr-defined]


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
