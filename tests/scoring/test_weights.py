"""Conversion gives the same pinned bytes everywhere and refuses altered files; loading verifies."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from frame_tools.contracts.errors import DamagedError, MissingError
from frame_tools.contracts.scorers import SCORERS
from scoring.inference.weight_files import ANY_PAINTING, weights_folder
from scoring.scorers.any_painting import convert
from scoring.scorers.any_painting.weights import load_networks

CPU = torch.device("cpu")


def test_conversion_gives_the_pinned_bytes(weights):
    assert hashlib.sha256((weights / ANY_PAINTING).read_bytes()).hexdigest() == SCORERS["any"].weights_sha256
    assert convert.converted(convert.find_models()) == (weights / ANY_PAINTING).read_bytes()


def test_the_file_says_where_it_comes_from(weights):
    with safe_open(weights / ANY_PAINTING, "np") as file:
        origin = file.metadata()["origin"]
    assert "Apache-2.0" in origin
    assert all(sha256 in origin for sha256 in convert.ORIGINS.values())


def test_nothing_else_is_left_in_the_folder(weights):
    assert [path.name for path in weights.iterdir()] == [ANY_PAINTING]


@pytest.mark.parametrize("name", list(convert.ORIGINS))
def test_an_altered_origin_is_refused_and_nothing_written(tmp_path, name):
    models = tmp_path / "models"
    shutil.copytree(convert.find_models(), models)
    data = bytearray((models / name).read_bytes())
    data[len(data) // 2] ^= 1
    (models / name).write_bytes(data)
    with pytest.raises(DamagedError, match=name):
        convert.make_weights(tmp_path / "weights", models)
    assert not (tmp_path / "weights").exists()


def test_a_missing_origin_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"arbitrary_predict\.onnx.*requirements-weights"):
        convert.make_weights(tmp_path, tmp_path)


def test_missing_weights_tell_the_command(tmp_path):
    with pytest.raises(MissingError, match="python -m scoring weights"):
        load_networks(tmp_path, CPU)


def test_altered_weights_are_refused(weights, tmp_path):
    data = bytearray((weights / ANY_PAINTING).read_bytes())
    data[-1] ^= 1
    (tmp_path / ANY_PAINTING).write_bytes(data)
    with pytest.raises(DamagedError, match="sha256"):
        load_networks(tmp_path, CPU)


def test_where_weights_are_looked_for():
    assert weights_folder({"IMPASTO_WEIGHTS": "/somewhere"}) == Path("/somewhere")
    assert weights_folder({}).parts[-2:] == ("scoring", "weights")
