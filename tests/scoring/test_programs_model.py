"""The scorer `model`: real TorchScript and exported programs, and the ways in which such a file can be wrong."""

import hashlib
import io
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from frame_tools.contracts.errors import InputError, InternalError
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import PlannedProgram
from scoring.inference import device
from scoring.pipeline.frame_guard import NonFiniteOutputError
from scoring.scorers.programs.context import ProgramContext
from scoring.scorers.programs.loading import load_program
from scoring.types import FramePosition, PictureError, RunInputs

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


class Half(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, ::2, ::2]


class Grey(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1, keepdim=True)


class Whole(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 255).to(torch.uint8)


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


class NoNumbers(nn.Module):
    """Fails where the frame is black."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / x.amax((1, 2, 3), keepdim=True)


class Dropping(nn.Module):
    """Draws random numbers unless it is told that it is not being trained."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(x)


def file_of(module, kind):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.script says that it is old
        if kind == "torchscript":
            torch.jit.save(torch.jit.script(module), file)
        else:
            free = {2: torch.export.Dim("height", min=4, max=8192), 3: torch.export.Dim("width", min=4, max=8192)}
            program = torch.export.export(module.eval(), (torch.rand(1, 3, 20, 28),), dynamic_shapes=(free,))
            torch.export.save(program, file)
    return file.getvalue()


def planned(data, kind, *, sha256=None):
    digest = sha256 or hashlib.sha256(data).hexdigest()
    return PlannedProgram(name="sea", file="sea.pt", sha256=digest, kind=kind)


@pytest.fixture
def context(tmp_path):
    return ProgramContext(device="cpu", seed=0, arguments={}, scratch=tmp_path)


@pytest.fixture
def load(context):
    def make(data, kind, **changes):
        return load_program(planned(data, kind, **changes), data, context, makes="pictures")

    return make


def moments(count):
    return tuple(FramePosition(i, i / 25) for i in range(count))


@pytest.fixture
def score_of(load):
    def make(module, kind):
        return load(file_of(module, kind), kind).open(RUN, {})

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_run_as_it_is(score_of, noise, kind):
    torch.manual_seed(0)
    module = Blur().eval()
    frames = noise(3, 24, 30, 3)
    x = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        wanted = (module(x).clamp(0, 1) * 255).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(score_of(module, kind)(frames, moments(3)), wanted, atol=0.51, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_negative_is_exact_and_a_batch_is_its_frames(score_of, noise, kind):
    frames = noise(5, 24, 30, 3)
    assert np.array_equal(score_of(Negative(), kind)(frames, moments(5)), 255 - frames)


@pytest.mark.parametrize("kind", KINDS)
def test_what_leaves_0_to_1_is_clamped_and_other_floats_are_taken(score_of, noise, kind):
    frames = noise(1, 24, 30, 3)
    wanted = np.clip(frames.astype(float) * 3 - 127.5, 0, 255)
    np.testing.assert_allclose(score_of(Brighter(), kind)(frames, moments(1)), wanted, atol=0.51)


def test_the_first_frame_and_the_hundredth_come_out_alike(score_of, noise):
    torch.manual_seed(0)
    score = score_of(Blur(), "torchscript")
    frames = noise(2, 24, 30, 3)
    first = score(frames, moments(2))
    assert all(np.array_equal(score(frames, moments(2)), first) for _ in range(20))


def test_a_model_saved_in_training_is_not_trained_here(score_of, noise):
    frames = noise(1, 24, 30, 3)
    assert np.array_equal(score_of(Dropping().train(), "torchscript")(frames, moments(1)), frames)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("module", "answer"),
    [
        (Half(), r"float32 \(1, 3, 10, 14\)"),
        (Grey(), r"float32 \(1, 1, 20, 28\)"),
        (Whole(), r"uint8 \(1, 3, 20, 28\)"),
        (Pair(), "answered tuple"),
    ],
)
def test_another_answer_than_a_picture_of_the_same_size_is_refused(score_of, noise, kind, module, answer):
    with pytest.raises(PictureError, match=answer) as caught:
        score_of(module, kind)(noise(1, 20, 28, 3), moments(1))
    assert caught.value.fault is InputError
    assert "sea" in caught.value.what


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_no_numbers_name_the_frame(score_of, noise, kind):
    frames = noise(3, 20, 28, 3)
    frames[1] = 0
    with pytest.raises(NonFiniteOutputError) as caught:
        score_of(NoNumbers(), kind)(frames, moments(3))
    assert caught.value.position == 1
    assert caught.value.fault is InputError


def test_a_size_that_the_model_can_not_take_is_said_with_the_size(score_of, noise):
    with pytest.raises(PictureError, match=r"failed at 28x2 pixels: .*>= 4") as caught:
        score_of(Blur(), "exported")(noise(1, 2, 28, 3), moments(1))
    assert caught.value.fault is InternalError
    assert caught.value.position == 0


@pytest.mark.parametrize("kind", KINDS)
def test_another_hash_is_refused_before_the_file_is_looked_at(load, monkeypatch, kind):
    for module in (torch.jit, torch.export):
        monkeypatch.setattr(module, "load", lambda *_, **__: pytest.fail("looked at"))
    data = file_of(Negative(), kind)
    with pytest.raises(InputError, match="not the planned 0000") as caught:
        load(data, kind, sha256="0" * 64)
    assert hashlib.sha256(data).hexdigest() in caught.value.what


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [0, 1, 500, -1, -100])
def test_a_truncated_file_is_refused_in_words(load, kind, cut):
    with pytest.raises(InputError, match="sea can't be loaded as"):
        load(file_of(Blur(), kind)[:cut], kind)


@pytest.mark.parametrize(("kind", "other"), [KINDS, KINDS[::-1]])
def test_a_file_of_the_other_kind_is_refused_in_words(load, kind, other):
    with pytest.raises(InputError, match="can't be loaded as"):
        load(file_of(Blur(), other), kind)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("full"), torch.AcceleratorError("lost")])
def test_a_machine_that_fails_while_it_loads_is_no_fault_of_the_file(load, monkeypatch, error):
    """It is tried again; an InputError would end the run for good."""

    def fail(*_args, **_kwargs):
        raise error

    for module in (torch.jit, torch.export):
        monkeypatch.setattr(module, "load", fail)
    for kind in KINDS:
        with pytest.raises(type(error)) as caught:
            load(b"any", kind)
        assert caught.value is error


def test_a_pickled_module_is_no_exported_program_and_its_code_does_not_run(load, tmp_path):
    class Evil:
        def __reduce__(self):
            return tmp_path.joinpath("done").mkdir, ()

    file = io.BytesIO()
    torch.save(Evil(), file)
    for kind in KINDS:
        with pytest.raises(InputError, match="can't be loaded as"):
            load(file.getvalue(), kind)
    assert not (tmp_path / "done").exists()


def test_a_model_makes_pictures_only(context):
    data = file_of(Negative(), "torchscript")
    with pytest.raises(InputError, match="not records"):
        load_program(planned(data, "torchscript"), data, context, makes="records")


def test_frames_side_by_side_are_as_many_as_cores(context, monkeypatch):
    monkeypatch.setattr(device, "cores", lambda: 3)
    data = file_of(Negative(), "torchscript")
    scorer = load_program(planned(data, "torchscript"), data, context, makes="pictures")
    assert scorer.frames_per_forward == 3
    assert scorer.device == "cpu"
    assert not scorer.in_order
    assert scorer.prepare(RUN) == {}
