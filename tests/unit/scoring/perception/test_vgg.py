"""VGG16's features have the documented shapes, and loading rejects other files."""

import pytest
import torch

from frame_tools.contracts.errors import DamagedError, MissingError
from scoring.perception.vgg import Vgg, load_vgg

CPU = torch.device("cpu")


def test_features_have_the_documented_shapes():
    features = Vgg()(torch.zeros(2, 3, 32, 48))
    assert {name: tuple(value.shape) for name, value in features.items()} == {
        "relu1_2": (2, 64, 32, 48),
        "relu2_2": (2, 128, 16, 24),
        "relu3_3": (2, 256, 8, 12),
        "relu4_3": (2, 512, 4, 6),
    }


def test_missing_weights_name_the_command(tmp_path):
    with pytest.raises(MissingError, match="scoring vgg"):
        load_vgg(tmp_path / "none.safetensors", CPU)


def test_truncated_weights_are_rejected(vgg_path, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(vgg_path.read_bytes()[:-9])
    with pytest.raises(DamagedError, match=r"cut\.safetensors"):
        load_vgg(tmp_path / "cut.safetensors", CPU)
