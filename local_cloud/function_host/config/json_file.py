"""JSON files as the real host reads them: with `//` and `/* */` comments."""

import json
import re
from pathlib import Path

_STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


def load_json(path: Path) -> object:
    """Return the content of a JSON file, in UTF-8 with or without a byte order mark. Raises ValueError."""
    text = path.read_text(encoding="utf-8-sig")
    return json.loads(_STRING_OR_COMMENT.sub(lambda match: match[1] or " ", text))
