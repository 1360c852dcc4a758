"""Generate the option tables in docs/options.md from the schema that trigger files and the command line share.

`python -m infra.tools.options_table` writes them between the markers; a test compares.
"""

import json
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from frame_tools.contracts.option_specs import OptionSpec
from frame_tools.contracts.trigger import all_option_specs
from infra.tools import pages

PAGE: Final = Path(__file__).parents[2] / "docs" / "options.md"
BEGIN: Final = "<!-- options -->"
END: Final = "<!-- /options -->"
HEAD: Final = "| option | values | default | meaning | example |\n|---|---|---|---|---|"


def tables() -> str:
    """Return one Markdown table per option group."""
    options = all_option_specs()
    order = list(dict.fromkeys(option.group for option in options))
    grouped = groupby(sorted(options, key=lambda option: order.index(option.group)), key=lambda option: option.group)
    return "\n\n".join("\n".join([f"### {group}", "", HEAD, *map(_row, members)]) for group, members in grouped)


def page_with(page: str, text: str) -> str:
    """Return the page with `text` between its markers."""
    return pages.page_with(page, text, begin=BEGIN, end=END)


def _row(option: OptionSpec) -> str:
    cells = [
        f"`{option.name}`",
        f"`{option.form}`" if _is_code(option) else option.form,
        _default(option.default),
        option.meaning,
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in [*cells, f"`{_json(option.example)}`"]) + " |"


def _is_code(option: OptionSpec) -> bool:
    return "|" in option.form or ".." in option.form


def _default(value: Any) -> str:
    return f"`{_json(value)}`" if value not in (None, {}, ()) else "–"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
