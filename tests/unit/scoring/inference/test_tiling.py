"""Out of memory: the batch is halved, then a frame is tiled without seams; each step is logged once."""

import logging
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from frame_tools.contracts.errors import TemporaryError
from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.mixed_precision import psnr
from scoring.inference.tiling import MIN_CORE_SIDE, MemoryBoundedRunner, ReceptiveField, tile_grid
from scoring.scorers.any_painting.conditional_norm import KERNEL_PARAMETERS, NORM_CHANNELS, StyleCondition
from scoring.scorers.any_painting.network import REACH, STRIDE, StyleTransferNet
from scoring.scorers.any_painting.scorer import ConditionKeyframe, Painter
from scoring.scorers.any_painting.tiled_statistics import RECEPTIVE_FIELD, with_frame_statistics
from scoring.scorers.any_painting.weights import load_networks
from scoring.types import FramePosition

CPU = torch.device("cpu")
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB."
MIN_DB = 40


@pytest.fixture(autouse=True)
def _as_in_a_cpu_worker():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(threads)


class LimitedNetwork(StyleTransferNet):
    """The real network on a device with memory for `max_pixels` pixels; it records the shapes of its inputs."""

    def __init__(self, full, max_pixels):
        super().__init__()
        self.load_state_dict(full.state_dict())
        self.eval().requires_grad_(requires_grad=False)
        self.max_pixels = max_pixels
        self.input_shapes = []

    def forward(self, frames, brush):
        self.input_shapes.append(tuple(frames.shape))
        if frames.shape[0] * frames.shape[2] * frames.shape[3] > self.max_pixels:
            raise torch.OutOfMemoryError(OUT_OF_MEMORY)
        return super().forward(frames, brush)


@pytest.fixture(scope="module")
def transformer(weights):
    return load_networks(weights, CPU).transformer


@pytest.fixture(scope="module")
def style(transformer):
    with torch.inference_mode():
        plain = transformer.style(torch.randn(100, generator=torch.Generator().manual_seed(3)))
        styled_kernel = 0.02 * torch.randn(KERNEL_PARAMETERS, generator=torch.Generator().manual_seed(4))
        return plain + torch.cat([torch.zeros(2 * NORM_CHANNELS), styled_kernel])


def smooth(frames, height, width, seed=0):
    """Return frames with broad areas, some noise, and a dark left side, (B, 3, H, W) in 0..1."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(frames, 3, 2 + height // 24, 2 + width // 24, generator=generator)
    x = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return (x + torch.rand(frames, 3, height, width, generator=generator) / 8).clamp(0, 1) * torch.linspace(0, 1, width)


def painted_tiled(transformer, brush, x, limit, look=RECEPTIVE_FIELD):
    return MemoryBoundedRunner(look, limit=limit)(lambda part: transformer(part, brush), x)


@given(st.integers(16, 110), st.integers(16, 110), st.floats(0.3, 0.95))
def test_tiling_with_shared_statistics_is_seamless(transformer, style, rows, columns, share):
    x = smooth(1, rows * STRIDE, columns * STRIDE)
    brush = StyleCondition(style, transformer.measure(x, style))
    limit = max(int(share * x[0, 0].numel()), (2 * MIN_CORE_SIDE + 2 * REACH) ** 2)
    tiled = painted_tiled(transformer, brush, x, limit)
    torch.testing.assert_close(tiled, transformer(x, brush), atol=1e-5, rtol=0)


def test_smaller_overlap_shows_seams(transformer, style):
    x = smooth(1, 256, 384)
    brush = StyleCondition(style, transformer.measure(x, style))
    whole = transformer(x, brush)
    tiled = painted_tiled(transformer, brush, x, 90_000)
    assert psnr(tiled, whole, span=1) > 100
    short = painted_tiled(transformer, brush, x, 90_000, ReceptiveField(reach=REACH // 4, stride=STRIDE))
    assert (short - whole).abs().max() > 1 / 255


@pytest.mark.parametrize(("height", "width", "limit"), [(256, 384, 90_000), (128, 512, 40_000)])
def test_tiling_with_frame_statistics_is_seamless(transformer, style, height, width, limit):
    x = smooth(2, height, width)
    whole = transformer(x, StyleCondition(style))
    forward = lambda part: transformer(part, StyleCondition(style))  # noqa: E731
    tiled = MemoryBoundedRunner(RECEPTIVE_FIELD, limit=limit)(
        forward, x, tile_adapter=partial(with_frame_statistics, transformer, style)
    )
    assert psnr(tiled, whole, span=1) > 2 * MIN_DB
    blind = MemoryBoundedRunner(RECEPTIVE_FIELD, limit=limit)(forward, x)  # each tile with its own statistics
    assert psnr(blind, whole, span=1) < MIN_DB


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 3_000_000))
@example(15, 282, 0)  # lower than the smallest core: its width can still be cut
def test_tile_grid_covers_pixels_once_within_limit(rows, columns, limit):
    height, width = rows * STRIDE, columns * STRIDE
    limit = max(limit, (2 * MIN_CORE_SIDE + STRIDE + 2 * REACH) ** 2)
    tiles = tile_grid(height, width, limit, RECEPTIVE_FIELD)
    covered = np.zeros((height // STRIDE, width // STRIDE), int)
    for row, column in tiles:
        assert (row.outer_end - row.outer_start) * (column.outer_end - column.outer_start) <= tiles.pixels <= limit
        for span, side in ((row, height), (column, width)):
            assert all(edge % STRIDE == 0 for edge in (span.start, span.end, span.outer_start, span.outer_end))
            assert 0 <= span.outer_start <= span.start < span.end <= span.outer_end <= side
            assert span.start - span.outer_start >= REACH or span.outer_start == 0
            assert span.outer_end - span.end >= REACH or span.outer_end == side
        covered[row.start // STRIDE : row.end // STRIDE, column.start // STRIDE : column.end // STRIDE] += 1
    assert (covered == 1).all()
    assert len(tiles) == 1 or height * width > limit


def test_out_of_memory_halves_the_batch(transformer, style, caplog):
    limited = LimitedNetwork(transformer, max_pixels=2 * 64 * 80)
    x = smooth(8, 64, 80)
    brush = StyleCondition(style)
    runner = MemoryBoundedRunner(RECEPTIVE_FIELD)
    with caplog.at_level(logging.WARNING):
        first = runner(lambda part: limited(part, brush), x)
        assert [shape[0] for shape in limited.input_shapes] == [8, 4, 2, 2, 2, 2]
        limited.input_shapes.clear()
        second = runner(lambda part: limited(part, brush), x)
    assert [shape[0] for shape in limited.input_shapes] == [2, 2, 2, 2]
    torch.testing.assert_close(first, transformer(x, brush), atol=1e-5, rtol=0)
    assert torch.equal(first, second)
    assert caplog.text.count("2 frames in one forward pass instead of 8") == 1
    assert caplog.text.count("CUDA out of memory") == 2


@pytest.mark.parametrize("shared", [True, False])
def test_out_of_memory_falls_back_to_tiles(transformer, style, caplog, shared):
    limited = LimitedNetwork(transformer, max_pixels=90_000)
    x = smooth(2, 256, 384)
    brush = StyleCondition(style, transformer.measure(x, style) if shared else None)
    tile_adapter = None if shared else partial(with_frame_statistics, limited, style)
    with caplog.at_level(logging.WARNING):
        tiled = MemoryBoundedRunner(RECEPTIVE_FIELD)(lambda part: limited(part, brush), x, tile_adapter=tile_adapter)
    assert psnr(tiled, transformer(x, brush), span=1) > 2 * MIN_DB
    assert caplog.text.count("384x256 pass through the network in 4 overlapping tiles") == 1


def test_too_little_memory_is_a_temporary_error(transformer, style):
    limited = LimitedNetwork(transformer, max_pixels=1000)
    with pytest.raises(TemporaryError, match=r"tile of \d+ pixels"):
        MemoryBoundedRunner(RECEPTIVE_FIELD)(lambda part: limited(part, StyleCondition(style)), smooth(1, 256, 256))


def test_other_runtime_errors_pass_through():
    def broken(_x):
        raise RuntimeError("CUDA error: an illegal memory access")

    with pytest.raises(RuntimeError, match="illegal"):
        MemoryBoundedRunner(RECEPTIVE_FIELD)(broken, torch.zeros(2, 3, 64, 64))


def test_failed_forward_releases_its_tensors():
    held: list[weakref.ref] = []

    def forward(x):
        assert all(old() is None for old in held)
        features = x * 2
        held.append(weakref.ref(features))
        if len(x) > 1:
            raise torch.OutOfMemoryError(OUT_OF_MEMORY)
        return x

    runner = MemoryBoundedRunner(RECEPTIVE_FIELD)
    runner(forward, torch.zeros(2, 3, 64, 64))
    assert len(held) == 3


def test_limit_is_shared_by_threads(transformer, style):
    limited = LimitedNetwork(transformer, max_pixels=2 * 64 * 80)
    runner = MemoryBoundedRunner(RECEPTIVE_FIELD)
    brush = StyleCondition(style)
    xs = [smooth(4, 64, 80, seed) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        call = torch.inference_mode()(lambda x: runner(lambda part: limited(part, brush), x))
        out = list(pool.map(call, xs))
    for x, y in zip(xs, out, strict=True):
        torch.testing.assert_close(y, transformer(x, brush), atol=1e-5, rtol=0)
    limited.input_shapes.clear()
    runner(lambda part: limited(part, brush), xs[0])
    assert [shape[0] for shape in limited.input_shapes] == [2, 2]


@pytest.mark.parametrize("shared", [True, False])
def test_painter_result_is_the_same_with_little_memory(transformer, style, shared):
    frames = (smooth(2, 254, 381).permute(0, 2, 3, 1) * 255).to(torch.uint8).numpy()
    positions = (FramePosition(0, 0.0), FramePosition(1, 0.04))
    statistics = transformer.measure(smooth(2, 256, 384), style) if shared else None
    keyframes = (ConditionKeyframe(0.0, style, statistics),)
    plenty, little = (
        Painter(network, keyframes, CpuWorkers(1), CPU)(frames, positions)
        for network in (transformer, LimitedNetwork(transformer, max_pixels=90_000))
    )
    assert np.abs(plenty.astype(int) - little).max() <= 1


FOUR_K = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from scoring.inference.malloc import keep_freed_memory
from scoring.scorers.any_painting.weights import load_networks
from scoring.inference.cpu_workers import CpuWorkers
from scoring.types import FramePosition
from scoring.scorers.any_painting.scorer import ConditionKeyframe, Painter
keep_freed_memory()
transformer = load_networks(Path(sys.argv[1]), torch.device("cpu")).transformer
with torch.inference_mode():
    style = transformer.style(torch.ones(100))
    statistics = transformer.measure(torch.rand(1, 3, 64, 64), style)
painter = Painter(transformer, (ConditionKeyframe(0.0, style, statistics),), CpuWorkers(1), torch.device("cpu"))
frames = np.random.default_rng(0).integers(0, 256, (1, 2160, 3840, 3), np.uint8)
for index in range(6):
    assert painter(frames, (FramePosition(index, 0.0),)).shape == frames.shape
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_4k_memory_on_cpu_is_bounded(weights):
    done = subprocess.run(
        [sys.executable, "-c", FOUR_K, str(weights)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    peaks = [int(line) for line in done.stdout.split()]  # MiB
    assert peaks[-1] < 2500
    # The allocator needs some frames until freed blocks fit the others; a picture kept for each would be four of these.
    picture = 3840 * 2160 * 3 * 4 // 2**20
    assert peaks[5] - peaks[1] < 4 * picture
