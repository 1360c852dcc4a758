"""Verification and loading of `any.safetensors`, the weights of the any-painting network (created by `convert`)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import safetensors.torch
import torch

from frame_tools.contracts.errors import DamagedError, MissingError
from frame_tools.contracts.scorers import SCORERS
from scoring.inference.weight_files import ANY_PAINTING
from scoring.scorers.any_painting.network import StyleTransferNet
from scoring.scorers.any_painting.predictor import Predictor

WEIGHTS_SHA256: Final = SCORERS["any"].weights_sha256
"""Hash of the whole file; conversion is deterministic."""

_REMEDY: Final = "Create the weights with: python -m scoring weights"


@dataclass(frozen=True)
class Networks:
    """Both networks with their weights, in evaluation mode and without gradients."""

    predictor: Predictor
    transformer: StyleTransferNet

    @property
    def device(self) -> torch.device:
        """The device of their weights."""
        return self.transformer.contract.conv1.weight.device


def load_networks(folder: Path, device: torch.device) -> Networks:
    """Load `folder`/any.safetensors onto `device`.

    Raises MissingError if the file does not exist, DamagedError if its hash is another one.
    """
    path = folder / ANY_PAINTING
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"The weights {path} do not exist", _REMEDY) from None
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != WEIGHTS_SHA256:
        raise DamagedError(f"{path} has sha256 {sha256}, not {WEIGHTS_SHA256}", _REMEDY)
    return build_networks(safetensors.torch.load(data), device)


def build_networks(tensors: Mapping[str, torch.Tensor], device: torch.device) -> Networks:
    """Build both networks from exactly their tensors."""
    predictor, transformer = Predictor(), StyleTransferNet()
    networks = torch.nn.ModuleDict({"predictor": predictor, "transformer": transformer})
    networks.load_state_dict(tensors, strict=True)
    networks.eval().requires_grad_(requires_grad=False).to(device)
    return Networks(predictor, transformer)
