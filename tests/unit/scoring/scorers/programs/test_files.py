"""Files beside a script are copied to the node, compared with their hashes, and bounded in size."""

import hashlib

import pytest

from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.plan import PlannedProgram
from frame_tools.contracts.programs import file_blob
from frame_tools.storage.in_memory import InMemoryContainer
from scoring.image_codec import decode
from scoring.scorers.programs import files as files_module
from scoring.scorers.programs.files import fetch_files
from tests.support.scaled_runs import planned_with_scale, with_files
from tests.support.scoring_tasks import RUN, score

WEIGHTS = b"the weights"


def sha256_of(data):
    return hashlib.sha256(data).hexdigest()


def program(**files):
    return PlannedProgram(name="seg", file="seg.py", sha256="0" * 64, kind="script", files=files)


@pytest.fixture
def scripts():
    container = InMemoryContainer("scripts")
    container.write(file_blob(sha256_of(WEIGHTS)), WEIGHTS)
    return container


def test_files_are_copied_read_only(scripts, tmp_path):
    paths = fetch_files(program(weights=sha256_of(WEIGHTS)), scripts, tmp_path / "files")
    assert paths == {"weights": tmp_path / "files" / "weights"}
    assert paths["weights"].read_bytes() == WEIGHTS
    assert paths["weights"].stat().st_mode & 0o222 == 0


def test_program_without_files_gets_none(scripts, tmp_path):
    assert fetch_files(program(), scripts, tmp_path / "files") == {}


def test_missing_file_is_named_with_its_blob(scripts, tmp_path):
    with pytest.raises(InputError, match=r"'labels'.*files/1111.*container scripts") as caught:
        fetch_files(program(labels="1" * 64), scripts, tmp_path / "files")
    assert caught.value.next_step is NextStep.RESUBMIT


def test_replaced_file_is_not_used(scripts, tmp_path):
    scripts.write(file_blob(sha256_of(WEIGHTS)), b"others")
    with pytest.raises(InputError, match=rf"'weights'.*{sha256_of(b'others')}.*planned {sha256_of(WEIGHTS)}"):
        fetch_files(program(weights=sha256_of(WEIGHTS)), scripts, tmp_path / "files")
    assert list((tmp_path / "files").iterdir()) == []


def test_sizes_are_bounded_before_anything_is_copied(scripts, tmp_path, monkeypatch):
    monkeypatch.setattr(files_module, "MAX_FILE_BYTES", 2 * len(WEIGHTS))
    named = {name: sha256_of(WEIGHTS) for name in ("a", "b")}
    assert len(fetch_files(program(**named), scripts, tmp_path / "fits")) == 2
    monkeypatch.setattr(files_module, "MAX_FILE_BYTES", 2 * len(WEIGHTS) - 1)
    with pytest.raises(InputError, match="larger than 21 bytes"):
        fetch_files(program(**named), scripts, tmp_path / "files")
    assert not (tmp_path / "files").exists()


def test_task_gives_the_script_its_files_and_an_empty_scratch_folder():
    text = b"""
class It:
    def __init__(self, context):
        assert list(context.scratch.iterdir()) == []
        self.level = int(context.files["level"].read_text())
    def score(self, frames, positions):
        return frames * 0 + self.level
def load(context):
    return It(context)
"""
    storage = planned_with_scale(1, image_format="png", text=text, files={"level": sha256_of(b"40")})
    with_files(storage, level=b"40")
    score(storage)
    blob = storage.work.need(f"{RUN}/frames/000001.png")
    assert set(decode(blob.data, "frame").ravel().tolist()) == {40}
