"""docs/options.md matches the option schema."""

import json
import re

import pytest

from frame_tools.contracts.trigger import Trigger, parse_trigger
from infra.tools.options_table import END, PAGE, page_with, tables


def test_option_tables_are_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(page, tables()), "run: python -m infra.tools.options_table"


def test_every_option_has_one_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", tables(), re.MULTILINE)
    assert sorted(rows) == sorted(set(Trigger.model_fields) - {"version"})


def test_example_trigger_files_are_accepted() -> None:
    blocks = [
        json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ]
    triggers = [block for block in blocks if "which" not in block]
    assert len(triggers) == 1
    assert parse_trigger(json.dumps(triggers[0]).encode()).style_files == ("monet.jpg", "hokusai.jpg")


def test_page_without_markers_raises() -> None:
    with pytest.raises(ValueError, match=END):
        page_with("no table", "text")
