"""Generate docs/trigger.schema.json, the JSON schema of trigger files, from their model.

`python -m infra.tools.trigger_schema` writes it; a test compares.
"""

import json
from pathlib import Path
from typing import Any, Final

from frame_tools.contracts.trigger import Trigger

SCHEMA: Final = Path(__file__).parents[2] / "docs" / "trigger.schema.json"
_TABLE_ONLY: Final = ("group", "form")
"""What options carry for the tables in docs/options.md."""


def schema() -> dict[str, Any]:
    """Return the schema of a trigger file."""
    document = Trigger.model_json_schema()
    for option in document["properties"].values():
        for name in _TABLE_ONLY:
            option.pop(name, None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "title": "Impasto trigger file",
        "description": "What a run paints, and how: triggers/NAME.json. Names are of files in the folder input.",
    }


def text() -> str:
    """Return the text of the file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text(), encoding="utf-8")
