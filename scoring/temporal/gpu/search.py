"""Dense inverse search: optical flow from small patches, coarse to fine (Kroeger et al. 2016, arXiv:1603.03590).

All pairs of a batch and all patches of a level are searched at once, so that a GPU gets few and large operations.
Unlike in the paper, a patch takes over the motion of a neighbor if that fits better; what lies outside of an image
counts for nothing; and in place of a variational refinement of all pixels, the patches of each level agree on a smooth
motion.
"""

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from scoring.temporal.gpu.images import downscale, enlarge, gradients, pixel_grid, sample

PATCH: Final = 8
"""Pixels: side of a patch."""
STRIDE: Final = 4
"""Pixels between patches: each pixel is in four of them."""
COARSEST_SIDE: Final = 12
"""Pixels: minimum length of the shorter side of a level."""
STEPS: Final = 4
"""Steps of gradient descent at a level."""
MAX_STEP: Final = 2.0
"""Pixels."""
MIN_DETERMINANT: Final = 1e-2
"""Of the equations of a step; below it a patch has no structure to follow."""
NEIGHBORS: Final = ((0, 1), (1, 0), (1, 2), (2, 1))
"""Row and column of a patch's four neighbors, counted from one row and column before it."""
SWEEPS: Final = 8
"""Sweeps over the patches of a level until they agree."""
SMOOTHNESS: Final = 50.0
"""Weight of a difference of one pixel between neighbors, relative to the data (see `_agree`). Chosen with NOISE and
TOLERANCE on six clips: steadiness is that of OpenCV's flow or better, and a faint texture is still followed."""
TOLERANCE: Final = 0.1
"""Square pixels: smaller differences between neighbors are penalized by their square, larger ones by their length, so
that things may move apart."""
NOISE: Final = 4.0
"""Square gray levels that every patch is assumed to differ by."""
MIN_VISIBLE: Final = 16
"""Pixels of a patch: with fewer in both images it fits worse than any with more."""
WORST_FIT: Final = 2.0**16
"""Square gray levels: more than any variance."""


def dense_flow(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Return where the pixels of `start` are in `end`, (B, 1, h, w) 0..255 each.

    The vectors, (B, 2, h / 2, w / 2), x before y, are in pixels of their own grid.
    """
    levels = [_halved(start, end)]
    while min(levels[-1][0].shape[2:]) >= 2 * COARSEST_SIDE:
        levels.append(_halved(*levels[-1]))
    flow = start.new_zeros(len(start), 2, *levels[-1][0].shape[2:])
    for first, second in reversed(levels):
        flow = _search_level(first, second, scaled(flow, *first.shape[2:]))
    return flow


def scaled(flow: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Enlarge a field of vectors, (B, 2, h, w), to (height, width), and its vectors with it."""
    h, w = flow.shape[2:]
    if (h, w) == (height, width):
        return flow
    return enlarge(flow, height, width) * flow.new_tensor([width / w, height / h]).view(2, 1, 1)


def _halved(*images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    first, second = images
    height, width = ((side + 1) // 2 for side in first.shape[2:])
    return downscale(first, height, width), downscale(second, height, width)


def _search_level(first: torch.Tensor, second: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Return the flow of a level, (B, 2, h, w), starting from that of the coarser one."""
    patches = _Patches(first, second)
    motion, cost, residual = _best_of_neighbors(patches, patches.initial(flow))
    best, best_cost = motion, cost
    for _ in range(STEPS):
        motion = motion + patches.step(residual)
        cost, residual = patches.compare(motion)
        best, best_cost = torch.where(cost < best_cost, motion, best), torch.minimum(cost, best_cost)
    return patches.blend(_agree(patches, best[:, :, 0], best_cost)[:, :, None])


def _agree(patches: "_Patches", searched: torch.Tensor, cost: torch.Tensor) -> torch.Tensor:
    """Return motions (B, 2, rows, columns) that are near the best ones and near to those of their neighbors.

    The better a patch fits, and the more structure it has, the more its own motion counts.
    """
    rows, columns = searched.shape[2:]
    certainty = patches.structure / (cost + NOISE)
    data = (certainty * searched[:, None]).sum(2)
    motion = searched
    for _ in range(SWEEPS):
        padded = F.pad(motion, (1, 1, 1, 1), mode="replicate")
        neighbors = torch.stack([padded[:, :, y : y + rows, x : x + columns] for y, x in NEIGHBORS], 2)
        distance = (neighbors - motion[:, :, None]).square().sum(1, keepdim=True)
        weights = SMOOTHNESS / (distance + TOLERANCE).sqrt()
        total = weights.sum(2)
        pull = data + (weights * neighbors).sum(2)
        xx, xy, yy = certainty[:, 0, 0, None] + total, certainty[:, 0, 1, None], certainty[:, 1, 1, None] + total
        x, y = pull.split(1, 1)
        motion = torch.cat([yy * x - xy * y, xx * y - xy * x], 1) / (xx * yy - xy * xy)
    return motion


def _best_of_neighbors(patches: "_Patches", motion: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return for each patch its own motion or that of one of four neighbors, whichever fits best; cost and residual."""
    rows, columns = motion.shape[3:]
    padded = F.pad(motion[:, :, 0], (1, 1, 1, 1), mode="replicate")
    places = ((1, 1), *NEIGHBORS)
    candidates = torch.stack([padded[:, :, y : y + rows, x : x + columns] for y, x in places], 2)
    cost, residual = patches.compare(candidates)
    cost, best = cost.min(2, keepdim=True)
    return (
        candidates.gather(2, best.expand(-1, 2, -1, -1, -1)),
        cost,
        residual.gather(2, best[:, :, :, None].expand(-1, -1, -1, PATCH * PATCH, -1, -1)),
    )


class _Patches:
    """The patches of a level's first image, in rows and columns, and the second image, in which they are searched.

    Values of all pixels of all patches are (B, C, K, PATCH * PATCH, rows, columns), for K motions of each patch.
    Patches reach beyond the border, so that the outer pixels are in four patches, too.
    """

    def __init__(self, first: torch.Tensor, second: torch.Tensor) -> None:
        height, width = first.shape[2:]
        margin = PATCH - STRIDE
        bottom, right = (margin + -side % STRIDE for side in (height, width))
        self._size = height, width
        self._padding = (margin, right, margin, bottom)
        self._padded = height + margin + bottom, width + margin + right
        self._second = second
        self._values = self._cut(first)
        self._positions = self._cut(pixel_grid(height, width, first.device))
        self._inside = self._cut(torch.ones_like(first[:1]), mode="constant")
        self._last = first.new_tensor([width - 1, height - 1]).view(2, 1, 1, 1, 1)
        slopes = self._cut(gradients(first)) * self._inside
        self._slopes = slopes - slopes.mean(3, keepdim=True)
        xx, yy = self._slopes.square().sum(3).unbind(1)
        xy = self._slopes.prod(1).sum(2)
        self.structure = torch.stack([xx, xy, xy, yy], 1).unflatten(1, (2, 2))[:, :, :, 0]
        determinant = (xx * yy - xy * xy).clamp_(min=MIN_DETERMINANT)
        self._inverse = torch.stack([-yy, xy, xy, -xx], 1).div_(determinant[:, None]).unflatten(1, (2, 2))

    def _cut(self, images: torch.Tensor, mode: str = "replicate") -> torch.Tensor:
        """Cut images (B, C, h, w) into patches: (B, C, 1, PATCH * PATCH, rows, columns)."""
        padded = F.pad(images, self._padding, mode=mode)
        rows, columns = ((side - PATCH) // STRIDE + 1 for side in padded.shape[2:])
        patches = F.unfold(padded, PATCH, stride=STRIDE)
        return patches.view(len(images), -1, 1, PATCH * PATCH, rows, columns)

    def initial(self, flow: torch.Tensor) -> torch.Tensor:
        """Return the motion of each patch by a dense flow, (B, 2, h, w) -> (B, 2, 1, rows, columns)."""
        return F.avg_pool2d(F.pad(flow, self._padding, mode="replicate"), PATCH, STRIDE)[:, :, None]

    def compare(self, motion: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compare each patch with the places to which motions, (B, 2, K, rows, columns), lead.

        Returns how badly they fit, (B, 1, K, rows, columns): the variance of the difference, which ignores a change of
        brightness. And the difference without its mean, 0 where it does not count: (B, 1, K, values, rows, columns).
        """
        positions = self._positions + motion[:, :, :, None]
        counts = ((positions >= 0) & (positions <= self._last)).all(1, keepdim=True) * self._inside
        count = counts.sum(3).clamp_(min=1)
        residual = sample(self._second, positions) - self._values
        mean = (residual * counts).sum(3).div_(count)
        residual = (residual - mean[:, :, :, None]).mul_(counts)
        variance = residual.square().sum(3).div_(count)
        return torch.where(count < MIN_VISIBLE, WORST_FIT, variance), residual

    def step(self, residual: torch.Tensor) -> torch.Tensor:
        """Return the change of motion that minimizes the residual, to first order: (B, 2, 1, rows, columns)."""
        slope = (self._slopes * residual).sum(3)
        change: torch.Tensor = (self._inverse * slope[:, None]).sum(2).clamp_(-MAX_STEP, MAX_STEP)
        return change

    def blend(self, motion: torch.Tensor) -> torch.Tensor:
        """Return the flow of each pixel: the mean motion of its patches, weighted by how well the pixel fits."""
        difference = sample(self._second, self._positions + motion[:, :, :, None]) - self._values
        weights = 1 / difference.abs_().clamp_(min=1)
        weighted = torch.cat([weights * motion[:, :, :, None], weights], 1)
        summed: torch.Tensor = F.fold(weighted.flatten(4).flatten(1, 3), self._padded, PATCH, stride=STRIDE)
        left, top = self._padding[0], self._padding[2]
        summed = summed[:, :, top : top + self._size[0], left : left + self._size[1]]
        blended: torch.Tensor = summed[:, :2] / summed[:, 2:]
        return blended
