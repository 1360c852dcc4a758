"""docs/options.md holds what the schema says, word for word."""

import json
import re

import pytest

from frame_tools.contracts.trigger import Trigger, load_trigger
from infra.tools.options_table import END, PAGE, page_with, tables


def test_the_pages_tables_are_what_the_schema_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(page, tables()), "run: python -m infra.tools.options_table"


def test_every_word_has_one_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", tables(), re.MULTILINE)
    assert sorted(rows) == sorted(set(Trigger.model_fields) - {"version"})


def test_the_pages_trigger_files_are_accepted() -> None:
    blocks = [
        json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ]
    triggers = [block for block in blocks if "which" not in block]
    assert len(triggers) == 1
    assert load_trigger(json.dumps(triggers[0]).encode()).style_files == ("monet.jpg", "hokusai.jpg")


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match=END):
        page_with("no table", "text")
