"""Generate the settings table in README.md and local.settings.json.example, each with every setting of the app.

Both come from the docstrings and defaults in orchestration/settings.py; the example uses the local cloud's values where
it has some. `python -m infra.tools.settings_table` writes both; a test compares.
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
HOST_AND_ACCOUNT_SETTINGS: Final = {
    "AzureWebJobsStorage__…": "The Functions host's own storage: the ops account, by the app's identity.",
    "DATA__blobServiceUri": "Blob endpoint of the data account. `DATA` alone is a connection string (Azurite).",
    "DATA__queueServiceUri": "Queue endpoint for the host's poison messages of trigger files: the ops account.",
    "OPS__blobServiceUri": "Blob endpoint of the ops account. `OPS` alone is a connection string (Azurite).",
    "OPS__queueServiceUri": "Queue endpoint of the ops account.",
    "DATA__credential, OPS__credential": "`managedidentity`: the host's triggers authenticate with an identity.",
    "DATA__clientId, OPS__clientId": "Client id of that identity.",
    "AZURE_CLIENT_ID": "The same client id, for the app's own SDK clients.",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "Largest body of an HTTP request in bytes; the host holds it in memory.",
    "PYTHON_THREADPOOL_THREAD_COUNT": "Threads for functions in a worker: as many as calls that run at once, 100.",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "Destination of logs and telemetry; contains no secret.",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "Makes telemetry authenticate with the identity.",
}
"""Settings read by the host, `frame_tools.storage.accounts` and the Azure SDK."""


def table() -> str:
    """Return the table as Markdown."""
    rows = [f"| `{name}` | set by the templates | {meaning} |" for name, meaning in HOST_AND_ACCOUNT_SETTINGS.items()]
    for model in (HostSettings, Settings):
        meanings = dict(_docstrings(model))
        rows += [f"| `{name}` | {_shown(default)} | {meanings[name.lower()]} |" for name, default in _defaults(model)]
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
    """Yield (variable, default) of each setting; PydanticUndefined for a required one."""
    for name, field in model.model_fields.items():
        yield name.upper(), field.default


def _shown(default: object) -> str:
    if default is PydanticUndefined:
        return "required"
    return f"`{default}`" if default != "" else "empty"


def _docstrings(model: type[HostSettings | Settings]) -> Iterator[tuple[str, str]]:
    """Yield (field, docstring): the string literal after each annotated name in the class."""
    (definition,) = ast.parse(inspect.getsource(model)).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for statement, after in pairwise(body):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and is_text:
            yield statement.target.id, inspect.cleandoc(ast.literal_eval(after.value))  # type: ignore[attr-defined]


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
