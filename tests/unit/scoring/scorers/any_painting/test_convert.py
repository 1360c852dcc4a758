"""Conversion yields the pinned bytes and rejects altered files."""

import hashlib
import shutil

import pytest
from safetensors import safe_open

from frame_tools.contracts.errors import DamagedError, MissingError
from frame_tools.contracts.scorers import SCORERS
from scoring.inference.weight_files import ANY_PAINTING
from scoring.scorers.any_painting import convert


def test_conversion_yields_the_pinned_bytes(weights):
    assert hashlib.sha256((weights / ANY_PAINTING).read_bytes()).hexdigest() == SCORERS["any"].weights_sha256
    assert convert.convert_models(convert.find_models()) == (weights / ANY_PAINTING).read_bytes()


def test_file_names_its_sources(weights):
    with safe_open(weights / ANY_PAINTING, "np") as file:
        origin = file.metadata()["origin"]
    assert "Apache-2.0" in origin
    assert all(sha256 in origin for sha256 in convert.SOURCES.values())


def test_conversion_leaves_no_other_file(weights):
    assert [path.name for path in weights.iterdir()] == [ANY_PAINTING]


@pytest.mark.parametrize("name", list(convert.SOURCES))
def test_altered_source_is_rejected_and_nothing_written(tmp_path, name):
    models = tmp_path / "models"
    shutil.copytree(convert.find_models(), models)
    data = bytearray((models / name).read_bytes())
    data[len(data) // 2] ^= 1
    (models / name).write_bytes(data)
    with pytest.raises(DamagedError, match=name):
        convert.make_weights(tmp_path / "weights", models)
    assert not (tmp_path / "weights").exists()


def test_missing_source_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"arbitrary_predict\.onnx.*requirements-weights"):
        convert.make_weights(tmp_path, tmp_path)
