"""The scoring benchmark: contenders, figures, options and output."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.scoring import command, others
from benchmarks.scoring.cli import FRAMES
from benchmarks.scoring.clip import SMALLEST_SIDE, Size, draw_clip
from benchmarks.scoring.contenders import Setting, facts, frames_per_second, run_rounds, start_contenders
from benchmarks.scoring.device_stages import device_stage_times
from benchmarks.scoring.figures import describe_bottleneck, figures, limits
from benchmarks.scoring.plain_loop import PlainLoop, PlainNetwork
from frame_tools.contracts.errors import ImpastoError, InputError
from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import SCORERS
from tests.support import benchmark_contenders
from tests.support.moving_scenes import pan

# Of the network that pytorch/examples publishes for fast_neural_style: kernels, biases, and two numbers for each norm.
PUBLISHED_PARAMETERS = 1_679_235


@pytest.fixture
def clip(tmp_path):
    return draw_clip(tmp_path / "clip", Size(64, 48), 3)


def setting(clip, device="cpu"):
    return Setting(clip, Options(), device, Path("no-weights"))


def test_default_frames_equal_a_planned_batch():
    assert SCORERS["any"].frames_per_batch == FRAMES


@given(st.integers(SMALLEST_SIDE, 9000), st.integers(SMALLEST_SIDE, 7000))
def test_size_parse_round_trip(width, height):
    assert Size.parse(str(Size(width, height))) == Size(width, height)


@pytest.mark.parametrize("text", ["", "640", "640x", "640x360x3", "axb", "16x640", "-640x360", "99999x99999"])
def test_invalid_size_is_rejected(text):
    with pytest.raises(InputError):
        Size.parse(text)


def test_clip_frames_have_one_size_and_move(clip):
    frames = [np.asarray(Image.open(path)) for path in clip.paths]
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert not np.array_equal(frames[0], frames[1])


def test_plain_network_matches_the_published_one():
    network = PlainNetwork().eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == PUBLISHED_PARAMETERS
    kernels = [tuple(p.shape) for p in network.parameters() if p.ndim == 4]
    assert kernels[0] == (32, 3, 9, 9)
    assert kernels[3:13] == [(128, 128, 3, 3)] * 10
    assert kernels[13:] == [(64, 128, 3, 3), (32, 64, 3, 3), (3, 32, 9, 9)]
    with torch.no_grad():
        assert network(torch.rand(1, 3, 36, 52)).shape == (1, 3, 36, 52)


def test_plain_loop_converts_a_file(clip, tmp_path):
    inputs: list[torch.Tensor] = []
    target = tmp_path / "out.jpg"
    PlainLoop(lambda x: (inputs.append(x), 300 - x)[1], torch.device("cpu")).convert(clip.paths[0], target)
    source = np.asarray(Image.open(clip.paths[0])).astype(int)
    assert inputs[0].dtype == torch.float32
    assert np.abs(inputs[0][0].permute(1, 2, 0).numpy() - source).max() < 0.01
    out = np.asarray(Image.open(target)).astype(int)
    assert np.abs(out - np.clip(300 - source, 0, 255)).mean() < 8


def test_loop_cycles_through_the_clip(clip, monkeypatch):
    taken = []
    monkeypatch.setattr(PlainLoop, "convert", lambda _self, source, _target: taken.append(source.name))
    others.Loop(lambda x: x, setting(clip)).rate(0.02)
    assert taken[1:6] == ["000000.jpg", "000001.jpg", "000002.jpg", "000000.jpg", "000001.jpg"]


def test_frames_per_second_calls_at_least_once():
    calls: list[int] = []
    assert frames_per_second(calls.append, 0) > 0
    assert calls == [0]


def test_each_contender_has_its_own_process(clip):
    factories = {"first": benchmark_contenders.Counting, "second": benchmark_contenders.Counting}
    with start_contenders(factories, setting(clip)) as contenders:
        run_rounds(contenders, 2, 1.5)
        contender_facts = [facts(contender) for contender in contenders]
        assert [contender.rates for contender in contenders] == [[1.5, 3.0]] * 2
    assert len({os.getpid(), *(fact["pid"] for fact in contender_facts)}) == 3
    assert [fact["gpus"] for fact in contender_facts] == [b"", b""]  # asked for the CPU, it must not find a GPU
    for fact in contender_facts:
        with pytest.raises(ProcessLookupError):
            os.kill(fact["pid"], 0)


def test_contender_error_is_raised_here(clip):
    factories = {"first": benchmark_contenders.Counting, "second": benchmark_contenders.refusing}
    with pytest.raises(InputError, match="refuses"), start_contenders(factories, setting(clip)):
        pytest.fail("nothing was opened")


def test_figures_are_medians_and_ratios_per_round():
    result = figures({"model": [10, 20, 40], "task": [9, 10, 30], "plain_loop": [3, 1, 2]})
    assert (result["model_fps"], result["task_fps"], result["plain_loop_fps"]) == (20, 10, 2)
    assert result["ratios"]["task_to_plain_loop"] == 10  # of 3, 10, 15; of the medians it would be 5
    assert result["ratios"]["task_to_model"] == 0.75
    assert result["lite_fps"] is None
    assert result["ratios"]["task_to_lite"] is None


STAGES = {
    "read": {"ms": 2.0, "cpu_ms": 2.0},
    "encode": {"ms": 3.0, "cpu_ms": 3.0},
    "segment": {"ms": 4.0, "cpu_ms": 8.0},
    "smooth": {"ms": 3.0, "cpu_ms": 5.0},
}


@pytest.mark.parametrize(
    ("model_fps", "task_cpu_ms", "cores", "arguments"),
    [
        (500, 20, 16, "H.264 encoder, which takes frames in order: at most 250.0"),
        (500, 20, 2, "the cores: at most 100.0"),
        (90, 20, 16, "the network: at most 90.0"),
    ],
)
def test_lowest_limit_is_the_bottleneck(model_fps, task_cpu_ms, cores, arguments):
    task_limits = limits(model_fps=model_fps, task_cpu_ms=task_cpu_ms, stages=STAGES, cores=cores)
    text = describe_bottleneck(task_limits, task_cpu_ms=task_cpu_ms, network_cpu_ms=1.0, stages=STAGES)
    assert arguments in text
    assert "segment 8.0, smooth 5.0, encode 3.0, read 2.0, network 1.0, other 1.0" in text


def test_smoothing_can_be_the_bottleneck():
    slow = STAGES | {"smooth": {"ms": 10.0, "cpu_ms": 12.0}}
    task_limits = limits(model_fps=500, task_cpu_ms=20, stages=slow, cores=16)
    text = describe_bottleneck(task_limits, task_cpu_ms=20, network_cpu_ms=1.0, stages=slow)
    assert text.startswith("temporal smoothing, which takes frames in order: at most 100.0")
    without = {name: times for name, times in STAGES.items() if name != "smooth"}
    assert set(limits(model_fps=500, task_cpu_ms=20, stages=without, cores=16)) == {"network", "segment", "cores"}


def test_motion_and_smoothing_share_a_gpu_with_the_network():
    stages = STAGES | {"flow": {"ms": 4.0, "cpu_ms": 1.0}, "follow": {"ms": 4.0, "cpu_ms": 1.0}}
    del stages["smooth"]
    task_limits = limits(model_fps=500, task_cpu_ms=20, stages=stages, cores=16)
    assert task_limits["device"] == 100
    text = describe_bottleneck(task_limits, task_cpu_ms=20, network_cpu_ms=1.0, stages=stages)
    assert text.startswith("the GPU (network and smoothing): at most 100.0")


@pytest.mark.parametrize(("weight", "more"), [(0.7, {"flow", "follow"}), (0.0, set())])
def test_stages_of_a_device_are_timed_for_each_frame(weight, more):
    frames = pan(9)
    times = device_stage_times(frames, frames, weight, torch.device("cpu"))
    assert set(times) == {"upload", "download"} | more
    assert all(value >= 0 for stage in times.values() for value in (stage["ms"], stage["cpu_ms"]))


def test_read_options_uses_the_schema():
    options = command.read_options(["temporal_smoothing=0", "preserve_color=luma"])
    assert options == Options(temporal_smoothing=0, preserve_color="luma")


@pytest.mark.parametrize(
    "word", ["temporal_smoothing", "temporal_smoothing=2", "temporal_smothing=0", "scorer=copy", "preserve_color=maybe"]
)
def test_invalid_option_is_rejected(word):
    with pytest.raises(InputError):
        command.read_options([word])


def test_devices(monkeypatch):
    monkeypatch.setattr(command, "best_device", lambda: torch.device("cpu"))
    assert command.select_devices([]) == command.select_devices(["cpu"]) == ("cpu",)
    for name in ("cuda", "tpu"):
        with pytest.raises(InputError):
            command.select_devices([name])
    monkeypatch.setattr(command, "best_device", lambda: torch.device("cuda"))
    assert command.select_devices([]) == ("cuda",)
    assert command.select_devices(["cuda", "cpu"]) == ("cuda", "cpu")


def test_missing_lite_package_is_reported(monkeypatch):
    monkeypatch.setattr(others, "LITE_MODULES", ("no_such_package", "json"))
    reason = others.lite_missing()
    assert reason is not None
    assert reason.startswith("no_such_package")
    assert "scoring/requirements-bench.txt" in reason
    assert set(command.contenders()) == {"model", "task", "plain_loop", "plain_loop_our_network"}


@pytest.mark.parametrize(("load", "warnings"), [(0.1, 0), (3.0, 1)])
def test_busy_machine_is_reported(monkeypatch, load, warnings):
    monkeypatch.setattr(others, "lite_missing", lambda: None)
    notes = list(command._notes({"load_before": load, "cores": 2}))
    assert len([note for note in notes if "busy" in note]) == len(notes) == warnings


def test_command_prints_one_json_object(weights):
    arguments = ["--size", "64x48", "--frames", "4", "--rounds", "1", "--seconds", "0.1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scoring", *arguments, "--device", "cpu"],
        env={**os.environ, "IMPASTO_WEIGHTS": str(weights)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    measured = ["model_fps", "task_fps", "plain_loop_fps", "plain_loop_our_network_fps"]
    measured += [] if others.lite_missing() else ["lite_fps", "lite_painting_fps"]
    assert all(result[name] > 0 for name in measured)
    missing = [note for note in result["notes"] if "requirements-bench.txt" in note]
    assert len(missing) == (1 if others.lite_missing() else 0)
    assert set(result["stages"]) == {"read", "encode", "segment", "estimate_motion", "smooth"}
    assert set(result["prepare_s"]) == {"first_task", "other_tasks"}
    assert "at most" in result["bound"]
    assert (result["size"], result["device"], result["more"]) == ("64x48", "cpu", [])
    lines = list(command.table(result))
    assert sum("frames/s" in line for line in lines) == len(measured) + 1


def test_errors_can_be_pickled():
    import pickle

    error = pickle.loads(pickle.dumps(InputError("what", "remedy")))  # noqa: S301 - made here
    assert isinstance(error, ImpastoError)
    assert str(error) == "what. remedy."
