"""Find, verify and load `any.safetensors`, the weights of the any-painting network (made by `convert`)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from frame_tools.contracts.errors import DamagedError, MissingError
from frame_tools.contracts.scorers import SCORERS
from scoring.inference.weight_files import ANY_PAINTING
from scoring.scorers.any_painting.network import StyleTransferNet
from scoring.scorers.any_painting.predictor import Predictor

WEIGHTS_SHA256 = SCORERS["any"].weights_sha256
"""Of the whole file; conversion gives the same bytes everywhere."""

_REMEDY = "Make the weights with: python -m scoring weights"


@dataclass(frozen=True)
class Networks:
    """Both networks with their weights, ready to use: not training, no gradients."""

    predictor: Predictor
    transformer: StyleTransferNet

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.transformer.contract.conv1.weight.device


def load_networks(folder: Path, device: torch.device) -> Networks:
    """Load `folder`/any.safetensors onto `device`.

    Raises MissingError if it is not there, DamagedError if it is another file.
    """
    path = folder / ANY_PAINTING
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"There are no weights at {path}", _REMEDY) from None
    found = hashlib.sha256(data).hexdigest()
    if found != WEIGHTS_SHA256:
        raise DamagedError(f"{path} has sha256 {found}, not {WEIGHTS_SHA256}", _REMEDY)
    return networks_of(safetensors.torch.load(data), device)


def networks_of(tensors: Mapping[str, torch.Tensor], device: torch.device) -> Networks:
    """Build both networks of their tensors, all of them and no others."""
    networks = torch.nn.ModuleDict({"predictor": Predictor(), "transformer": StyleTransferNet()})
    networks.load_state_dict(tensors, strict=True)
    networks.eval().requires_grad_(requires_grad=False).to(device)
    return Networks(networks["predictor"], networks["transformer"])
