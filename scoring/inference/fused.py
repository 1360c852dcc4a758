"""A convolution with what follows it in one pass over memory: an activation, or a sum with another tensor.

On a CPU oneDNN does both where a result leaves its registers. torch calls it so for compiled models only; the operator
is not public, so tests hold it to torch's own functions, which do the same on machines without oneDNN.
"""

from collections.abc import Callable
from typing import Final, Literal

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

Activation = Literal["relu", "sigmoid"]

_IN_PLACE: Final[dict[Activation, Callable[[torch.Tensor], torch.Tensor]]] = {
    "relu": torch.relu_,
    "sigmoid": torch.sigmoid_,
}
_NO_PADDING: Final = [0, 0]
_NO_DILATION: Final = [1, 1]


def has_fused_convolution() -> bool:
    """Return whether torch was built with oneDNN here; it is not on every ARM machine."""
    return bool(torch.backends.mkldnn.is_available())


def convolve_and_activate(
    x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor, activation: Activation, *, stride: int = 1
) -> torch.Tensor:
    """Convolve (B, I, H, W), channels last, with (O, I, k, l), and activate; on a CPU, without gradients."""
    if not has_fused_convolution():
        return _IN_PLACE[activation](F.conv2d(x, kernel, bias, stride))
    y: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001  (see above)
        x, kernel, bias, _NO_PADDING, [stride, stride], _NO_DILATION, 1, activation, [], ""
    )
    return y


def convolve_and_add(total: torch.Tensor, x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> None:
    """Convolve (B, I, H, W), channels last, and add the result to `total`, in place; on a CPU, without gradients."""
    if not has_fused_convolution():
        total += F.conv2d(x, kernel, bias)
        return
    torch.ops.mkldnn._convolution_pointwise_.binary(
        total, x, kernel, bias, _NO_PADDING, [1, 1], _NO_DILATION, 1, "add", 1.0, None, [], None
    )
