"""Records as CSV, and their download under that suffix."""

import csv
import io
import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frame_tools.client import parquet
from frame_tools.client.download import fetch
from frame_tools.client.output_path import RecordsFormat, records_target
from frame_tools.client.records import records_to_csv, records_to_parquet
from frame_tools.contracts.errors import InputError
from frame_tools.storage.deployment import DataStorage
from frame_tools.storage.in_memory import BlobStore, InMemoryContainer

RECORDS = [
    {"frame": 0, "seconds": 0.0, "text": 'a "quoted", comma', "box": {"left": 1, "top": 2}},
    {"frame": 1, "seconds": 0.04, "boxes": [[1, 2]], "is_dark": True, "nothing": None},
]
LINES = b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)


def test_every_key_has_a_column() -> None:
    rows = list(csv.DictReader(io.StringIO(records_to_csv(LINES).decode())))
    assert [*rows[0]] == ["frame", "seconds", "text", "box.left", "box.top", "boxes", "is_dark", "nothing"]
    assert (rows[0]["text"], rows[0]["box.top"], rows[0]["boxes"]) == ('a "quoted", comma', "2", "")
    assert (rows[1]["boxes"], rows[1]["is_dark"], rows[1]["nothing"]) == ("[[1, 2]]", "true", "")


@pytest.fixture
def storage() -> DataStorage:
    container = InMemoryContainer("output", BlobStore())
    container.write("clip-0123456789/records.jsonl", LINES)
    container.write("clip-0123456789/video.mp4", b"the video")
    return DataStorage(input=container, triggers=container, output=container)


def test_suffix_csv_downloads_a_table(storage: DataStorage, tmp_path: Path) -> None:
    out = fetch(storage, "clip-0123456789", "clip-0123456789/records.jsonl", tmp_path / "table.csv")
    assert out.read_bytes() == records_to_csv(LINES)
    as_lines = fetch(storage, "clip-0123456789", "clip-0123456789/records.jsonl", tmp_path / "lines.jsonl")
    assert as_lines.read_bytes() == LINES


def test_video_is_no_table(storage: DataStorage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"table\.csv"):
        fetch(storage, "clip-0123456789", "clip-0123456789/video.mp4", tmp_path / "table.csv")


def read_parquet(file: Path) -> tuple[list[tuple[str, str]], list[tuple[object, ...]]]:
    """Return columns with their types, and rows."""
    with duckdb.connect() as connection:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
        rows = connection.execute("SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
    return [(name, kind) for name, kind, *_ in described], rows


def test_parquet_has_the_columns_of_csv_with_types(tmp_path: Path) -> None:
    records_to_parquet(LINES, tmp_path / "table.parquet")
    columns, rows = read_parquet(tmp_path / "table.parquet")
    assert dict(columns) == {
        "frame": "BIGINT", "seconds": "DOUBLE", "text": "VARCHAR", "box.left": "BIGINT", "box.top": "BIGINT",
        "boxes": "VARCHAR", "is_dark": "BOOLEAN", "nothing": "VARCHAR",
    }  # fmt: skip
    assert [name for name, _ in columns] == records_to_csv(LINES).decode().splitlines()[0].split(",")
    assert rows == [
        (0, 0.0, 'a "quoted", comma', 1, 2, None, None, None),
        (1, 0.04, None, None, None, "[[1, 2]]", True, None),
    ]


VALUES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=4).map(str.casefold)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=4))
def test_every_value_of_every_record_is_in_the_table(tmp_path: Path, records: list[dict[str, object]]) -> None:
    """Numbers are exactly the same; a column of mixed types has the JSON text of each value."""
    records = [{"frame": index, **record} for index, record in enumerate(records)]
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    records_to_parquet(lines, tmp_path / "table.parquet")
    columns, rows = read_parquet(tmp_path / "table.parquet")
    names = list(dict.fromkeys(name for record in records for name in record))
    assert [name for name, _ in columns] == names
    for row, record in zip(rows, records, strict=True):
        for value, name, (_, kind) in zip(row, names, columns, strict=True):
            expected = record.get(name)
            if kind == "VARCHAR" and not isinstance(expected, str | None):
                expected = json.dumps(expected)
            assert value == expected


def test_names_that_differ_in_case_only_keep_their_columns(tmp_path: Path) -> None:
    records_to_parquet(b'{"a": 1, "A": 2}\n', tmp_path / "table.parquet")
    columns, rows = read_parquet(tmp_path / "table.parquet")
    assert ([name for name, _ in columns], rows) == (["a", "A_1"], [(1, 2)])


@pytest.mark.parametrize(
    ("out", "chosen", "written"),
    [
        ("clip.mp4", None, "clip.jsonl"),
        ("clip.mp4", "csv", "clip.csv"),
        ("clip.csv", None, "clip.csv"),
        ("clip.csv", "parquet", "clip.parquet"),
        ("clip.PARQUET", None, "clip.PARQUET"),
        ("clip.txt", "csv", "clip.txt"),
        ("clip.v2", None, "clip.v2"),
    ],
)
def test_records_get_the_suffix_of_their_format(out: str, chosen: RecordsFormat | None, written: str) -> None:
    assert records_target(Path(out), chosen) == Path(written)


def test_format_can_be_chosen_for_a_folder(storage: DataStorage, tmp_path: Path) -> None:
    run_id = "clip-0123456789"
    out = fetch(storage, run_id, f"{run_id}/records.jsonl", tmp_path, records="parquet")
    assert out == tmp_path / f"{run_id}.parquet"
    assert len(read_parquet(out)[1]) == 2
    video = fetch(storage, run_id, f"{run_id}/video.mp4", tmp_path, records="parquet")
    assert video.read_bytes() == b"the video"


def test_missing_package_is_named_before_the_download(
    storage: DataStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match="duckdb") as caught:
        fetch(storage, "clip-0123456789", "clip-0123456789/records.jsonl", tmp_path / "t.parquet")
    assert "impasto[parquet]" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
