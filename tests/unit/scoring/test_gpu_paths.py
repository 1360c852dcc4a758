"""GPU code paths without a GPU: on tensors with a device, a shape and a dtype, but no values.

Painting runs on fake CUDA tensors. The CPU build of torch has no gradients for those, so training runs on the device
"meta". Each operation is checked and fails where a GPU's would: for tensors of two devices, for a convolution of two
dtypes, and on out-of-memory.
"""

from contextlib import nullcontext
from random import Random

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from frame_tools.contracts.errors import TemporaryError
from scoring.inference import space_to_depth
from scoring.inference.cpu_workers import CpuWorkers
from scoring.inference.tiling import MemoryBoundedRunner
from scoring.perception.vgg import Vgg
from scoring.scorers.any_painting import scorer
from scoring.scorers.any_painting.conditional_norm import STYLE_PARAMETERS, StyleCondition
from scoring.scorers.any_painting.network import StyleTransferNet
from scoring.scorers.any_painting.predictor import Predictor
from scoring.scorers.any_painting.weights import Networks
from scoring.scorers.describe import FrameDescriber
from scoring.scorers.gatys import Gatys
from scoring.scorers.johnson import scorer as johnson
from scoring.scorers.johnson.layers import expected_shapes
from scoring.scorers.johnson.network import Network
from scoring.training.finetune import Recipe, finetune
from scoring.training.style_samples import draw_samples
from scoring.training.tune import TuningConfig, tune
from scoring.types import StyleMix
from tests.support.scorer_runs import opened, painting, positions, run_of, sample

aten = torch.ops.aten
CPU, CUDA, META = torch.device("cpu"), torch.device("cuda", 0), torch.device("meta")
CONVOLUTIONS = 16  # convolutions of the transformer
both_statistics = pytest.mark.parametrize("statistics", ["shared", "frame"])


class OperationChecker(TorchDispatchMode):
    """Checks each operation, records the dtypes of convolutions on a device, and supplies values that are read."""

    def __init__(self):
        super().__init__()
        self.convolutions, self.error = [], torch.OutOfMemoryError("CUDA out of memory")
        self.max_numel = float("inf")  # largest input of a convolution on a device

    def __torch_dispatch__(self, operation, _types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if operation.namespace == "aten":
            with self:
                done = operation.decompose(*args, **kwargs)  # inference mode does not decompose them
            if done is not NotImplemented:
                return done
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        on_device = any(tensor.device.type != "cpu" for tensor in tensors)
        cpu_tensors = [tensor for tensor in tensors if tensor.device.type == "cpu" and tensor.dim()]
        assert not (on_device and cpu_tensors) or operation is aten._to_copy.default, (
            f"{operation} gets tensors of two devices"
        )
        if on_device and operation is aten.convolution.default:
            assert len({tensor.dtype for tensor in tensors}) == 1, "a convolution of two types"
            self.convolutions.append(tensors[0].dtype)
            if tensors[0].numel() > self.max_numel:
                raise self.error
        if on_device and operation is aten._local_scalar_dense.default:
            return 0.0  # any value; as a difference it means that half precision matches
        if operation is aten._to_copy.default and args[0].is_meta and kwargs.get("device") == CPU:
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        return operation(*args, **kwargs)


def index_tensor(tensor, places):
    places = list(places) if isinstance(places, tuple) else [places]
    if ... in places:
        places[(gap := places.index(...)) : gap + 1] = [slice(None)] * (tensor.dim() + 1 - len(places))
    for axis, place in reversed(list(enumerate(places))):
        tensor = tensor.select(axis, place) if type(place) is int else aten.slice(tensor, axis, place.start, place.stop)
    return tensor


STAND_INS = {  # for FakeTensor methods that the CPU build of torch supports for its own devices only
    "numpy": lambda t: np.zeros(t.shape, str(t.dtype)[6:]) if t.device == CPU else pytest.fail("a GPU has no numpy"),
    "contiguous": lambda tensor, memory_format=torch.contiguous_format: tensor.clone(memory_format=memory_format),
    "__float__": torch.Tensor.item,
    "__getitem__": index_tensor,
    "__setitem__": lambda tensor, places, values: index_tensor(tensor, places) + values,
}


@pytest.fixture
def networks():
    networks = Networks(Predictor(), StyleTransferNet())
    for part in (networks.predictor, networks.transformer):
        part.eval().requires_grad_(requires_grad=False)
    return networks


@pytest.fixture
def checkpoint(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    tensors = {name: torch.randn(shape, generator=generator) / 10 for name, shape in expected_shapes().items()}
    monkeypatch.setattr(johnson, "read_checkpoint", lambda *_: tensors)
    return tensors


@pytest.fixture
def cuda(monkeypatch, networks, checkpoint):
    # The fake mode is not active on other threads.
    monkeypatch.setattr(CpuWorkers, "map", lambda _workers, call, xs: [torch.inference_mode()(call)(x) for x in xs])
    for name, stand_in in STAND_INS.items():
        monkeypatch.setattr(FakeTensor, name, stand_in, raising=False)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # restored afterwards
    with FakeTensorMode(allow_non_fake_inputs=True), OperationChecker() as checker:
        networks.predictor.to(CUDA), networks.transformer.to(CUDA)
        yield checker
    space_to_depth._tap_positions.cache_clear()  # remove the fake one


@pytest.fixture
def meta(monkeypatch, networks):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it does not support the meta device
    space_to_depth._tap_positions.cache_clear()
    networks.predictor.to(META), networks.transformer.to(META)
    with OperationChecker() as checker:
        yield checker


def clip(*shape):
    return np.stack(sample(*shape))


@both_statistics
def test_any_painting(cuda, networks, statistics):
    keys = (StyleMix(0, (1.0, 0.0)), StyleMix(0.08, (0.0, 1.0)))
    run = run_of(("a.png", painting()), ("b.png", painting(1)), style_mixes=keys, statistics=statistics)
    score = opened(scorer.AnyPainting(networks, CUDA), run)
    cuda.convolutions.clear()
    assert score(clip(4, 41, 55), positions(4)).shape == (4, 41, 55, 3)
    assert cuda.convolutions.count(torch.float32) == CONVOLUTIONS, "one frame, for comparison"
    assert cuda.convolutions.count(torch.float16) == CONVOLUTIONS * (1 + 3), (
        "that frame, then those of one style together"
    )
    score.score_full_precision(clip(1), positions(1))
    assert cuda.convolutions.count(torch.float32) == 2 * CONVOLUTIONS


@both_statistics
def test_any_painting_in_tiles(cuda, networks, statistics, caplog):
    score = opened(scorer.AnyPainting(networks, CUDA), run_of(statistics=statistics))
    cuda.max_numel = 300 * 72 * 8
    assert score(clip(1, 512, 64), positions(1)).shape == (1, 512, 64, 3)
    assert "4 overlapping tiles" in caplog.text


def test_large_frames_are_grouped_by_pixels(cuda, networks, monkeypatch):
    score = opened(scorer.AnyPainting(networks, CUDA), run_of(statistics="frame"))
    monkeypatch.setattr(scorer, "GPU_PIXELS", 3 * 40 * 56)
    cuda.convolutions.clear()
    assert len(score(clip(8), positions(8))) == 8
    assert cuda.convolutions.count(torch.float16) == CONVOLUTIONS * (1 + 3)


@both_statistics
def test_johnson(cuda, statistics, caplog):
    score = opened(johnson.Johnson(CUDA), run_of(("a.pth", b""), statistics=statistics))
    assert not torch.backends.cudnn.allow_tf32, "TF32 is off"
    frames = clip(2, 512, 64)
    assert score(frames, positions(2)).shape == frames.shape
    assert torch.float16 in cuda.convolutions
    cuda.max_numel, cuda.error = 300 * 72 * 32, RuntimeError("GET was unable to find an engine")
    with nullcontext() if statistics == "shared" else pytest.raises(TemporaryError, match="64x512 pixels"):
        assert score(frames, positions(2)).shape == frames.shape
        assert "4 overlapping tiles" in caplog.text


def test_johnson_tiling_is_seamless(checkpoint):
    x = 255 * torch.rand(1, 3, 256, 64, generator=torch.Generator().manual_seed(2))
    statistics = Network(checkpoint, CPU).measure([x], lambda call, xs: [call(x) for x in xs])
    network = Network(checkpoint, CPU, statistics)
    assert torch.allclose(
        MemoryBoundedRunner(johnson.RECEPTIVE_FIELD, limit=64 * 192)(network, x), network(x), atol=1e-3
    )


def test_describe(cuda, networks):
    assert len(opened(FrameDescriber(networks.predictor, CUDA))(clip(4), positions(4))) == 4


def test_gatys(meta):
    score = opened(Gatys(Vgg().to(META), META), run_of(scorer="gatys", arguments={"steps": 2}))
    assert score(clip(2), positions(2)).shape == (2, 40, 56, 3)
    meta.max_numel, meta.error = 0, RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")
    with pytest.raises(TemporaryError, match="56x40 pixels"):
        score(clip(1), positions(1))


def test_training_after_painting(meta, networks):
    with torch.inference_mode():
        networks.transformer(
            torch.ones(1, 3, 8, 8, device=META), StyleCondition(torch.ones(STYLE_PARAMETERS, device=META))
        )
    vgg, steps = Vgg().to(META), []
    photo, config = sample(1, 64, 64)[0], TuningConfig(steps=1, squares=5, side=64)
    style = tune(networks, vgg, photo, lambda _: photo, config=config, on_step=lambda step, _: steps.append(step))
    finetune(
        networks.transformer,
        vgg,
        draw_samples(networks, vgg, [photo], Random(0)),
        [photo],
        reference=networks.transformer,
        recipe=Recipe(steps=1, height=64, width=64),
        on_step=lambda step, *_: steps.append(step),
    )
    assert (style.device, steps) == (META, [1, 1])
