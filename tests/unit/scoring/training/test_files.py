"""The command `tune` writes a style, its losses and a before/after picture."""

from typing import Any

import pytest
from PIL import Image

from frame_tools.contracts.errors import InputError
from scoring.scorers.any_painting.conditional_norm import STYLE_PARAMETERS
from scoring.scorers.any_painting.tuned import load_style
from scoring.training.files import tune_file
from scoring.training.tune import TuningConfig
from tests.support.scorer_runs import painting


def test_tune_file_writes_style_losses_and_pictures(vgg_path, weights, tmp_path):
    (tmp_path / "swirls.png").write_bytes(painting())
    steps: list[Any] = []
    written = tune_file(
        tmp_path / "swirls.png",
        tmp_path / "out" / "swirls.safetensors",
        photos=None,
        config=TuningConfig(steps=2, side=64, squares=6),
        vgg=vgg_path,
        on_step=steps.append,
        weights=weights,
    )
    assert steps == [1, 2]
    assert load_style(written.style.read_bytes(), "swirls").shape == (STYLE_PARAMETERS,)
    lines = written.loss_table.read_text().splitlines()
    assert lines[0] == "step,content,style"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]
    assert all(float(value) > 0 for line in lines[1:] for value in line.split(",")[1:])
    with Image.open(written.pictures) as sheet:
        assert sheet.width > 3 * 64
    with pytest.raises(InputError, match=r"\.safetensors"):
        tune_file(
            tmp_path / "swirls.png",
            tmp_path / "a.jpg",
            photos=None,
            config=TuningConfig(),
            vgg=vgg_path,
            on_step=steps.append,
        )
