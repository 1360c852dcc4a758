"""Names from outside are checked at the door; names of our own follow from the plan and lead back to it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.paths import RunPaths

BAD_NAMES = {
    "": "empty",
    " clip": "space",
    "clip\u00a0": "space",
    "a/b": "'/'",
    "a\\b": r"'\\'",
    "..": "'..'",
    "a..b": "'..'",
    ".hidden": "'.'",
    "ends.": "'.'",
    "-rf": "'-'",
    "it's": '"\'"',
    'say "hi"': "'\"'",
    "a`b": "'`'",
    "a\nb": r"'\n'",
    "a\x00b": r"'\x00'",
    "a\x7fb": r"'\x7f'",
    "a?b": "'?'",
    "a*b": "'*'",
    "a|b": "'|'",
    "a;b": "';'",
    "a&b": "'&'",
    "$HOME": "'$'",
    "100%": "'%'",
    "a#b": "'#'",
    "{0}": "'{'",
    "C:clip": "':'",
    "x" * 101: "101 characters",
    "x" * 300: "300 characters",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_invalid_name_is_rejected_with_remedy(name: str) -> None:
    with pytest.raises(InputError) as raised:
        ids.check_name(name, "trigger's name")
    assert "trigger's name" in raised.value.what
    assert BAD_NAMES[name] in raised.value.what
    assert "letters, digits" in raised.value.remedy
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("name", ["clip", "My clip (v1.2)_final-3", "größe 東京", "x" * 100, "a", "1.2.3"])
def test_valid_name_is_accepted_unchanged(name: str) -> None:
    assert ids.check_name(name, "name") == name


@given(st.text())
def test_name_from_any_text_is_valid(text: str) -> None:
    ids.check_name(ids.name_from(text), "name")


@given(st.from_regex(r"[A-Za-z0-9]([ ._()-]?[A-Za-z0-9]){0,49}", fullmatch=True))
def test_name_from_keeps_ordinary_names(name: str) -> None:
    assert ids.name_from(ids.check_name(name, "name")) == name


@given(st.text(), st.text())
def test_run_id_of_any_trigger_is_valid(trigger: str, etag: str) -> None:
    run_id = ids.run_id_for(trigger, etag)
    assert ids.check_run_id(run_id) == run_id
    assert re.fullmatch(r"[a-z0-9-]{1,64}", ids.job_id(run_id, 999)), "Batch takes it as an id"


def test_run_id_ignores_etag_quotes() -> None:
    assert ids.run_id_for("clip.json", '"0x8D"') == ids.run_id_for("clip.json", "0x8D")
    run_ids = {ids.run_id_for(*of) for of in (("clip.json", "1"), ("clip.json", "2"), ("Clip.json", "1"))}
    assert len(run_ids) == 3


@pytest.mark.parametrize(
    ("name", "slug"),
    [("My Clip!", "my-clip"), ("größe", "groe"), ("東京", "run"), ("", "run"), ("---", "run"), ("a" * 60, "a" * 40)],
)
def test_slugs(name: str, slug: str) -> None:
    assert ids.slug(name) == slug


@pytest.mark.parametrize(
    "text",
    ["", "clip", "clip-0123", "-0123456789", "a/b-0123456789", "A-0123456789", "a-0123456789\n", "../x", "x" * 99],
)
def test_invalid_run_id_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="is not a run id"):
        ids.check_run_id(text)


BATCHES = st.tuples(st.integers(0, 99_999), st.integers(0, 99_999)).map(lambda pair: ids.BatchRange(*sorted(pair)))


@given(BATCHES | st.sampled_from(["split", "join"]), st.integers(1, 99_999))
def test_task_ids_round_trip(work: ids.Work, attempt: int) -> None:
    task_id = ids.task_id(work, attempt)
    assert ids.parse_task_id(task_id) == (work, attempt)
    assert re.fullmatch(r"[a-z0-9_-]{1,64}", task_id)


def test_task_of_one_batch_has_the_id_of_earlier_versions() -> None:
    assert ids.task_id(ids.BatchRange(3, 3), 2) == "b00003-2"
    assert ids.task_id(ids.BatchRange(3, 7), 1) == "b00003_00007"


@pytest.mark.parametrize(
    "text", ["", "b3", "b000003", "split-", "join-x", "b00003-2-2", "look", "B00003", "b00003 ", "b00007_00003"]
)
def test_foreign_task_ids_are_ignored(text: str) -> None:
    assert ids.parse_task_id(text) is None


@given(st.integers(0, 9998))
def test_batch_names_sort_by_number(batch: int) -> None:
    run = RunPaths("run")
    for name in (run.receipt, run.segment):
        assert name(batch) < name(batch + 1)
