"""Loading of weights verifies their hash."""

import pytest
import torch

from frame_tools.contracts.errors import DamagedError, MissingError
from scoring.inference.weight_files import ANY_PAINTING
from scoring.scorers.any_painting.weights import load_networks

CPU = torch.device("cpu")


def test_missing_weights_name_the_command(tmp_path):
    with pytest.raises(MissingError, match="python -m scoring weights"):
        load_networks(tmp_path, CPU)


def test_altered_weights_are_rejected(weights, tmp_path):
    data = bytearray((weights / ANY_PAINTING).read_bytes())
    data[-1] ^= 1
    (tmp_path / ANY_PAINTING).write_bytes(data)
    with pytest.raises(DamagedError, match="sha256"):
        load_networks(tmp_path, CPU)
