"""The scorer `model`: TorchScript and exported programs, and the errors that such a file can have."""

import hashlib
import io
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from frame_tools.contracts.errors import InputError, ProgramError
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import PlannedProgram
from scoring.inference import device
from scoring.inference.mixed_precision import MIN_PSNR_DB, CheckedHalfPrecision, psnr
from scoring.scorers.programs.context import ProgramContext
from scoring.scorers.programs.loading import load_program
from scoring.types import FramePosition, NonFiniteOutputError, PictureError, RunInputs

RUN = RunInputs(options=Options(), sample=list)
KINDS = ("torchscript", "exported")


class Blur(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0.5 + self.convolution(x)


class Negative(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1 - x


class Brighter(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.double() * 3 - 0.5


class HalfSize(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, ::2, ::2]


class Gray(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1, keepdim=True)


class Integers(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 255).to(torch.uint8)


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


class NanForBlack(nn.Module):
    """Returns NaN for a black frame."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / x.amax((1, 2, 3), keepdim=True)


class Dropout(nn.Module):
    """Draws random numbers in training mode."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(x)


def file_of(module, kind):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.script is deprecated
        if kind == "torchscript":
            torch.jit.save(torch.jit.script(module), file)
        else:
            free = {2: torch.export.Dim("height", min=4, max=8192), 3: torch.export.Dim("width", min=4, max=8192)}
            program = torch.export.export(module.eval(), (torch.rand(1, 3, 20, 28),), dynamic_shapes=(free,))
            torch.export.save(program, file)
    return file.getvalue()


def planned(data, kind, *, sha256=None, **call):
    digest = sha256 or hashlib.sha256(data).hexdigest()
    return PlannedProgram(name="sea", file="sea.pt", sha256=digest, kind=kind, **call)


@pytest.fixture
def context(tmp_path):
    return ProgramContext(device="cpu", seed=0, arguments={}, scratch=tmp_path)


@pytest.fixture
def load(context):
    def make(data, kind, **changes):
        return load_program(planned(data, kind, **changes), data, context, makes="pictures")

    return make


def positions(count):
    return tuple(FramePosition(i, i / 25) for i in range(count))


@pytest.fixture
def score_of(load):
    def make(module, kind):
        return load(file_of(module, kind), kind).open(RUN, {})

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_model_is_run_unchanged(score_of, noise, kind):
    torch.manual_seed(0)
    module = Blur().eval()
    frames = noise(3, 24, 30, 3)
    x = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        expected = (module(x).clamp(0, 1) * 255).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(score_of(module, kind)(frames, positions(3)), expected, atol=0.51, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_negative_of_a_batch_is_exact(score_of, noise, kind):
    frames = noise(5, 24, 30, 3)
    assert np.array_equal(score_of(Negative(), kind)(frames, positions(5)), 255 - frames)


@pytest.mark.parametrize("kind", KINDS)
def test_other_float_types_are_accepted_and_clamped(score_of, noise, kind):
    frames = noise(1, 24, 30, 3)
    expected = np.clip(frames.astype(float) * 3 - 127.5, 0, 255)
    np.testing.assert_allclose(score_of(Brighter(), kind)(frames, positions(1)), expected, atol=0.51)


def test_result_does_not_depend_on_the_number_of_calls(score_of, noise):
    torch.manual_seed(0)
    score = score_of(Blur(), "torchscript")
    frames = noise(2, 24, 30, 3)
    first = score(frames, positions(2))
    assert all(np.array_equal(score(frames, positions(2)), first) for _ in range(20))


def test_model_saved_in_training_mode_is_evaluated(score_of, noise):
    frames = noise(1, 24, 30, 3)
    assert np.array_equal(score_of(Dropout().train(), "torchscript")(frames, positions(1)), frames)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("module", "result"),
    [
        (HalfSize(), r"float32 \(1, 3, 10, 14\)"),
        (Gray(), r"float32 \(1, 1, 20, 28\)"),
        (Integers(), r"uint8 \(1, 3, 20, 28\)"),
        (Pair(), "tuple"),
    ],
)
def test_result_of_another_shape_or_type_is_rejected(score_of, noise, kind, module, result):
    with pytest.raises(PictureError, match=result) as caught:
        score_of(module, kind)(noise(1, 20, 28, 3), positions(1))
    assert caught.value.fault is InputError
    assert "sea" in caught.value.what


@pytest.mark.parametrize("kind", KINDS)
def test_non_finite_output_names_the_frame(score_of, noise, kind):
    frames = noise(3, 20, 28, 3)
    frames[1] = 0
    with pytest.raises(NonFiniteOutputError) as caught:
        score_of(NanForBlack(), kind)(frames, positions(3))
    assert caught.value.position == 1
    assert caught.value.fault is InputError


def test_unsupported_frame_size_is_named(score_of, noise):
    with pytest.raises(PictureError, match=r"28x2 pixels.*>= 4") as caught:
        score_of(Blur(), "exported")(noise(1, 2, 28, 3), positions(1))
    assert caught.value.fault is ProgramError
    assert caught.value.position == 0


@pytest.mark.parametrize("kind", KINDS)
def test_another_hash_is_rejected_before_parsing(load, monkeypatch, kind):
    for module in (torch.jit, torch.export):
        monkeypatch.setattr(module, "load", lambda *_, **__: pytest.fail("parsed"))
    data = file_of(Negative(), kind)
    with pytest.raises(InputError, match="planned 0000") as caught:
        load(data, kind, sha256="0" * 64)
    assert hashlib.sha256(data).hexdigest() in caught.value.what


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [0, 1, 500, -1, -100])
def test_truncated_file_is_rejected(load, kind, cut):
    with pytest.raises(InputError, match="sea"):
        load(file_of(Blur(), kind)[:cut], kind)


@pytest.mark.parametrize(("kind", "other"), [KINDS, KINDS[::-1]])
def test_file_of_the_other_kind_is_rejected(load, kind, other):
    with pytest.raises(InputError, match="sea"):
        load(file_of(Blur(), other), kind)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("full"), torch.AcceleratorError("lost")])
def test_machine_errors_while_loading_are_not_input_errors(load, monkeypatch, error):
    """They are retried; an InputError would end the run permanently."""

    def fail(*_args, **_kwargs):
        raise error

    for module in (torch.jit, torch.export):
        monkeypatch.setattr(module, "load", fail)
    for kind in KINDS:
        with pytest.raises(type(error)) as caught:
            load(b"any", kind)
        assert caught.value is error


def test_pickled_module_is_rejected_and_not_run(load, tmp_path):
    class FolderOnUnpickling:
        def __reduce__(self):
            return tmp_path.joinpath("done").mkdir, ()

    file = io.BytesIO()
    torch.save(FolderOnUnpickling(), file)
    for kind in KINDS:
        with pytest.raises(InputError, match="sea"):
            load(file.getvalue(), kind)
    assert not (tmp_path / "done").exists()


def test_model_makes_pictures_only(context):
    data = file_of(Negative(), "torchscript")
    with pytest.raises(InputError, match="not records"):
        load_program(planned(data, "torchscript"), data, context, makes="records")


def test_frames_per_forward_is_the_number_of_cores(context, monkeypatch):
    monkeypatch.setattr(device, "available_cores", lambda: 3)
    data = file_of(Negative(), "torchscript")
    scorer = load_program(planned(data, "torchscript"), data, context, makes="pictures")
    assert scorer.frames_per_forward == 3
    assert scorer.device == "cpu"
    assert not scorer.in_order
    assert scorer.prepare(RUN) == {}


class Twice(nn.Module):
    """Repeats pixels, and mixes nothing between frames."""

    def __init__(self, scale: int = 2):
        super().__init__()
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(x, scale_factor=float(self.scale), mode="nearest")


class CountsFrames(nn.Module):
    """Returns pictures as bright as the call has frames, in steps of 1/64."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x) + x.shape[0] / 64.0


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_model_of_a_scale_enlarges(load, noise, scale):
    frames = noise(3, 20, 28, 3)
    score = load(file_of(Twice(scale), "torchscript"), "torchscript", scale=scale).open(RUN, {})
    assert np.array_equal(score(frames, positions(3)), frames.repeat(scale, 1).repeat(scale, 2))


@pytest.mark.parametrize(("module", "scale"), [(Twice(2), 1), (Negative(), 2), (Twice(2), 3)])
def test_model_of_another_scale_is_rejected_with_the_expected_shape(load, noise, module, scale):
    score = load(file_of(module, "torchscript"), "torchscript", scale=scale).open(RUN, {})
    with pytest.raises(PictureError, match=rf"not float \(1, 3, {20 * scale}, {28 * scale}\)") as caught:
        score(noise(1, 20, 28, 3), positions(1))
    assert caught.value.fault is InputError


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_calls_have_the_same_frames_on_any_number_of_cores(load, noise, monkeypatch, cores):
    monkeypatch.setattr(device, "available_cores", lambda: cores)
    scorer = load(file_of(CountsFrames(), "torchscript"), "torchscript", frames_per_call=4)
    assert scorer.frames_per_forward == 4 * cores
    pictures = scorer.open(RUN, {})(noise(4 * cores - 1, 8, 8, 3), positions(4 * cores - 1))
    counts = [round(picture[0, 0, 0] / 255 * 64) for picture in pictures]
    assert counts == [4] * (4 * (cores - 1)) + [3] * 3


def test_frame_without_numbers_is_named_within_its_call(load, noise):
    frames = noise(5, 8, 8, 3)
    frames[3] = 0
    score = load(file_of(NanForBlack(), "torchscript"), "torchscript", frames_per_call=4).open(RUN, {})
    with pytest.raises(NonFiniteOutputError) as caught:
        score(frames, positions(5))
    assert caught.value.position == 3


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_for_gpus(load, noise, kind):
    torch.manual_seed(0)
    data, frames = file_of(Blur(), kind), noise(2, 24, 30, 3)
    exact = load(data, kind)
    half = load(data, kind, precision="float16")
    assert np.array_equal(exact.open(RUN, {})(frames, positions(2)), half.open(RUN, {})(frames, positions(2)))


@pytest.mark.filterwarnings("ignore:.*autocast")
@pytest.mark.parametrize("kind", KINDS)
def test_model_computes_in_half_precision_under_autocast(load, kind):
    """What a GPU does with precision float16, on a CPU: the file of either kind, not its source, computes in half."""
    torch.manual_seed(0)
    scorer = load(file_of(Blur(), kind), kind)
    x = torch.rand(1, 3, 24, 30)
    checked = CheckedHalfPrecision(scorer._run, span=1.0)
    with torch.inference_mode():
        exact, half = scorer._run(x), checked(x)
    assert not torch.equal(exact, half)
    assert psnr(exact, half, span=1.0) > MIN_PSNR_DB
