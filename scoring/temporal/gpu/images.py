"""Image operations on tensors that equal those of `scoring.opencv`, up to rounding.

Images are float32 (B, C, h, w), in any memory format; borders are treated as OpenCV treats them.
"""

from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

GRAY = (0.299, 0.587, 0.114)
"""Luma of red, green and blue."""
SMALLEST_SHARE = 1e-5
"""Smaller shares of a pixel come from rounding."""


def to_gray(pictures: torch.Tensor) -> torch.Tensor:
    """Return the luma of pictures, (B, 3, h, w) of any type -> (B, 1, h, w)."""
    red, green, blue = pictures.split(1, 1)
    return torch.add(red * GRAY[0], green, alpha=GRAY[1]).add_(blue, alpha=GRAY[2])


def downscale(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Scale to (height, width), not above the size of the images; each pixel is the mean of the area it covers.

    The result for an image does not depend on the other images.
    """
    for axis, size in ((2, height), (3, width)):
        if images.shape[axis] != size:
            places, weights = _covered_places(images.shape[axis], size, images.device)
            shape = (-1, 1) if axis == 2 else (-1,)
            scaled = images.index_select(axis, places[0]) * weights[0].view(shape)
            for place, weight in zip(places[1:], weights[1:], strict=True):
                scaled.addcmul_(images.index_select(axis, place), weight.view(shape))
            images = scaled
    return images


def mean_columns(images: torch.Tensor, width: int) -> torch.Tensor:
    """Scale to a `width` that is much smaller than that of the images, as `downscale` does; the height is kept."""
    return images @ _area_weights(images.shape[3], width, images.device).mT


def enlarge(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Scale to (height, width), bilinear."""
    if images.shape[2:] == (height, width):
        return images
    return F.interpolate(images, (height, width), mode="bilinear", align_corners=False)


def sample(images: torch.Tensor, positions: torch.Tensor, *, mode: str = "bilinear") -> torch.Tensor:
    """Sample images at `positions`, (B, 2, ...) with x before y, in pixels; beyond the border its edge is repeated.

    Returns (B, C, ...). `mode` is "bilinear" or "bicubic".
    """
    h, w = images.shape[2:]
    to_unit = images.new_tensor([2 / w, 2 / h])
    grid = (positions.flatten(2).mT + 0.5) * to_unit - 1
    sampled = F.grid_sample(images, grid[:, None], mode=mode, padding_mode="border", align_corners=False)
    return sampled.view(*images.shape[:2], *positions.shape[2:])


def blur(images: torch.Tensor, size: int) -> torch.Tensor:
    """Return the mean over a square window of `size` pixels (odd) around each pixel."""
    for axis in (2, 3):
        places = _reflected_places(images.shape[axis], size // 2, images.device)
        images = images.index_select(axis, places)
    return F.avg_pool2d(images, size, 1)


def highest(images: torch.Tensor, size: int) -> torch.Tensor:
    """Return the maximum over a square window of `size` pixels (odd) around each pixel, as far as it is inside."""
    return F.max_pool2d(images, size, 1, padding=size // 2)


def lowest(images: torch.Tensor, size: int) -> torch.Tensor:
    """Return the minimum over a square window of `size` pixels (odd) around each pixel, as far as it is inside."""
    return -highest(-images, size)


def laplacian(images: torch.Tensor) -> torch.Tensor:
    """Return the Laplacian of each channel: the sum of the second differences along both axes, 2 pixels or longer."""
    return _second_difference(images, 2).add_(_second_difference(images, 3))


def gradients(images: torch.Tensor) -> torch.Tensor:
    """Return the central differences along x and y: (B, 1, h, w) -> (B, 2, h, w)."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    x = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    y = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    return torch.cat([x, y], 1).mul_(0.5)


@cache
def pixel_grid(height: int, width: int, device: torch.device) -> torch.Tensor:
    """Return the position (x, y) of each pixel: (1, 2, height, width)."""
    with torch.inference_mode(mode=False):
        y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
        return torch.stack([x, y])[None].to(torch.float32)


def _second_difference(images: torch.Tensor, axis: int) -> torch.Tensor:
    steps = images.diff(dim=axis)
    first, last = steps.narrow(axis, 0, 1), steps.narrow(axis, -1, 1)
    return torch.cat([-first, steps, -last], axis).diff(dim=axis)


@cache
def _area_weights(size: int, scaled_size: int, device: torch.device) -> torch.Tensor:
    """Return the share of each of `size` pixels in each of `scaled_size` larger ones: (scaled_size, size)."""
    with torch.inference_mode(mode=False):
        edges = torch.arange(scaled_size + 1, dtype=torch.float64) * (size / scaled_size)
        places = torch.arange(size, dtype=torch.float64)
        overlap = torch.minimum(edges[1:, None], places + 1) - torch.maximum(edges[:-1, None], places)
        return (overlap.clamp(min=0) * (scaled_size / size)).to(device, torch.float32)


@cache
def _covered_places(size: int, scaled_size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which of `size` pixels each of `scaled_size` larger ones covers, and their shares: (taps, scaled_size)."""
    with torch.inference_mode(mode=False):
        weights = _area_weights(size, scaled_size, torch.device("cpu"))
        taps = int((weights > SMALLEST_SHARE).sum(1).max())
        first = (weights > SMALLEST_SHARE).to(torch.uint8).argmax(1)
        places = (first + torch.arange(taps)[:, None]).clamp_(max=size - 1)
        shares = weights.gather(1, places.mT).mT.contiguous()
        shares[1:][places[1:] == places[:-1]] = 0  # beyond the last pixel
        return places.to(device), (shares / shares.sum(0)).to(device)


@cache
def _reflected_places(size: int, margin: int, device: torch.device) -> torch.Tensor:
    """Return the indices of a line of `size` pixels and `margin` on both sides, mirrored at its outer pixels."""
    with torch.inference_mode(mode=False):
        period = max(1, 2 * (size - 1))
        places = torch.arange(-margin, size + margin).remainder(period)
        return torch.minimum(places, period - places).to(device)
