"""VGG16's features up to relu4_3 (Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556).

The weights are Oxford's (CC BY 4.0), in a file that `python -m scoring vgg` writes; see `vgg_file`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)
from safetensors import SafetensorError
from torch import nn

from frame_tools.contracts.errors import DamagedError, MissingError

CHANNELS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512)
"""Output channels of the ten 3x3 convolutions, conv1_1 to conv4_3."""

TAPS: Mapping[int, str] = {1: "relu1_2", 3: "relu2_2", 6: "relu3_3", 9: "relu4_3"}
"""Index of a convolution -> name of its activation. Each is followed by a 2x2 max pooling."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in 0..1

_REMEDY = "Create the file with: python -m scoring vgg (docs/scorers.md)"


class Vgg(nn.Module):
    """The convolutions of VGG16 up to relu4_3, frozen."""

    __call__: Callable[..., dict[str, torch.Tensor]]
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *CHANNELS)
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in zip(inputs, CHANNELS, strict=False))
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(3, 1, 1), persistent=False)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, pictures: torch.Tensor, last: str = "relu4_3") -> dict[str, torch.Tensor]:
        """Return the activations of (B, 3, H, W), RGB in 0..1, H and W at least 8, up to the one named `last`.

        Each is (B, C, h, w): 64 channels at full size, 128 at half, 256 at a quarter, 512 at an eighth.
        """
        activations = {}
        x = (pictures - self.mean) / self.std
        for i, convolution in enumerate(self.convolutions):
            x = F.relu(convolution(x))
            if i in TAPS:
                activations[TAPS[i]] = x
                if TAPS[i] == last:
                    break
                x = F.max_pool2d(x, 2)
        return activations


def load_vgg(path: Path, device: torch.device) -> Vgg:
    """Load the weights onto `device`; raises MissingError or DamagedError with the command that writes the file."""
    vgg = Vgg()
    try:
        vgg.load_state_dict(safetensors.torch.load(path.read_bytes()), strict=True)
    except FileNotFoundError:
        raise MissingError(f"The VGG16 weights {path} do not exist", _REMEDY) from None
    except (SafetensorError, RuntimeError) as error:
        raise DamagedError(f"{path} does not hold the weights of VGG16 ({str(error)[:200]})", _REMEDY) from error
    vgg.to(device)
    for parameter in vgg.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return vgg
