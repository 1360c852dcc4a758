"""Reading documents: users' input, stored documents, and documents of another version of Impasto."""

import json
from typing import Any, ClassVar, Literal

import pytest

from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.errors import DamagedError, ErrorCode, ExitCode, InputError, NextStep, VersionSkewError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import Plan, Request
from frame_tools.contracts.receipt import Failure, Outcome, Receipt, SplitReceipt, TaskError
from frame_tools.contracts.suggestions import did_you_mean
from frame_tools.contracts.version import IMPASTO_VERSION

STORED: list[type[StoredDocument]] = [
    Request, Plan, Receipt, SplitReceipt, Failure, TaskError, Outcome, Manifest,
]  # fmt: skip


class Note(StoredDocument):
    """A document that this program reads in two versions."""

    document_name: ClassVar = "note"
    version: Literal[1, 2] = 2
    written_at: str
    kind: Literal["good", "bad"] = "good"


NOTE: dict[str, Any] = {"version": 2, "impasto_version": IMPASTO_VERSION, "written_at": "2026-01-01T00:00:00+00:00"}


def note(**changes: Any) -> bytes:
    return json.dumps(NOTE | changes).encode()


@pytest.mark.parametrize("document", STORED)
def test_dumps_records_version_and_writer(document: type[StoredDocument]) -> None:
    assert document.document_name
    assert document.model_fields["version"].default >= 2
    assert document.model_fields["impasto_version"].default == IMPASTO_VERSION


def test_load_stored_reads_what_dumps_writes() -> None:
    written = Note(written_at="2026-01-01T00:00:00+00:00")
    assert Note.load_stored(written.dumps()) == written


def test_old_document_has_no_writer_until_it_is_written_again() -> None:
    old = {name: value for name, value in NOTE.items() if name != "impasto_version"} | {"version": 1}
    loaded = Note.load_stored(json.dumps(old))
    assert (loaded.version, loaded.impasto_version) == (1, "")
    again = Note.load_stored(loaded.dumps())
    assert (again.version, again.impasto_version) == (2, IMPASTO_VERSION)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 99},
        {"version": 99, "impasto_version": "9.8.7"},
        {"impasto_version": "9.8.7", "new_field": 1},
        {"impasto_version": "9.8.7", "kind": "a new kind"},
    ],
)
def test_document_of_a_newer_version_is_a_temporary_error(changes: dict[str, Any]) -> None:
    with pytest.raises(VersionSkewError) as caught:
        Note.load_stored(note(**changes))
    error = caught.value
    assert error.exit_code == ExitCode.TEMPORARY
    assert (error.code, error.next_step) == (ErrorCode.VERSION_SKEW, NextStep.ASK_OPERATOR)
    assert str(changes.get("version", 2)) in error.what
    assert str(changes.get("impasto_version", IMPASTO_VERSION)) in error.what
    assert f"this is Impasto {IMPASTO_VERSION}" in error.what


def test_unknown_version_of_an_unnamed_writer_is_skew() -> None:
    with pytest.raises(VersionSkewError) as caught:
        Note.load_stored(b'{"version": 3, "written_at": "2026-01-01", "x": 1}')
    assert "an unknown version of Impasto" in caught.value.what


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"version": 2}',
        note(written_at=3),
        note(version="two"),
        b"\xff\xfe",
        note(new_field=1),
        note(impasto_version=["9.8.7"]),
        b'{"version": 2, "written_at": "2026-01-01", "x": 1}',
    ],
)
def test_invalid_document_of_a_known_version_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        Note.load_stored(data)
    assert Note.document_name in caught.value.what


@pytest.mark.parametrize("document", STORED)
@pytest.mark.parametrize("mark", ["{", "[", "1,", '{"a":'])
def test_document_that_would_take_too_much_memory_is_not_parsed(document: type[StoredDocument], mark: str) -> None:
    """A compromised node writes some documents, and a parser takes up to a kilobyte for a value of three bytes."""
    for data in (b"[" + mark.encode() * (document.max_values + 1), b" " * (document.max_bytes + 1)):
        with pytest.raises(DamagedError) as caught:
            document.load_stored(data)
        assert caught.value.code == ErrorCode.DAMAGED_DATA


def test_parse_input_blames_the_input_and_names_the_fields() -> None:
    with pytest.raises(InputError) as caught:
        Options.parse_input(b'{"strenght": 1}', "trigger file")
    assert "'strenght'" in caught.value.what
    assert "(did you mean 'strength'?)" in caught.value.what
    assert "strength" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [("strenght", " (did you mean 'strength'?)"), ("zzz", ""), ("strength" + "x" * 10**6, "")],
)
def test_did_you_mean_names_only_close_candidates(text: str, suggestion: str) -> None:
    assert did_you_mean(text, Options.model_fields) == suggestion
