"""JSON files with comments."""

from pathlib import Path

import pytest

from local_cloud.function_host.config.json_file import load_json


def test_comments_are_ignored(tmp_path: Path) -> None:
    text = '\ufeff{ // a comment\n "url": "http://x/*y*/", /* two\nlines */ "quote": "\\"//" }'
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    assert load_json(tmp_path / "x.json") == {"url": "http://x/*y*/", "quote": '"//'}


def test_invalid_json_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{/}")
    with pytest.raises(ValueError, match="line 1"):
        load_json(tmp_path / "x.json")
