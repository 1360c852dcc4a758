"""The commands `tune` and `finetune` write what they trained, and its losses."""

from typing import Any

import pytest
from PIL import Image

from frame_tools.contracts.errors import InputError, MissingError
from scoring.scorers.any_painting.conditional_norm import STYLE_PARAMETERS
from scoring.scorers.any_painting.convert import TRANSFORMER, load_published_networks
from scoring.scorers.any_painting.tuned import load_style
from scoring.training.files import finetune_file, load_transformer, tune_file
from scoring.training.finetune import Recipe
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


def test_finetune_file_starts_from_the_given_weights_and_leaves_checkpoints(vgg_path, tmp_path, monkeypatch):
    monkeypatch.setattr("scoring.training.files.CHECKPOINT_STEPS", 1)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "swirls.png").write_bytes(painting())
    out = tmp_path / "weights" / "new.safetensors"
    written: list[int] = []

    def train(start, **recipe):
        finetune_file(
            tmp_path / "pictures",
            tmp_path / "pictures",
            out,
            start=start,
            recipe=Recipe(steps=2, height=64, width=64, **recipe),
            vgg=vgg_path,
            on_step=lambda _: written.append(len(out.with_suffix(".loss.csv").read_text().splitlines())),
        )

    train(TRANSFORMER, learning_rate=0.0)
    assert written == [2, 3]
    header, first, _ = out.with_suffix(".loss.csv").read_text().splitlines()
    assert header == "step,content,style,noise,stability,grid,flat,palette"
    assert len(first.split(",")) == len(header.split(","))
    shipped, kept = load_published_networks().transformer, load_published_networks().transformer
    load_transformer(shipped, TRANSFORMER)
    load_transformer(kept, out)
    # Without learning, the averaged weights differ by rounding only.
    assert all((kept.state_dict()[name] - value).abs().max() < 1e-6 for name, value in shipped.state_dict().items())


def test_other_files_are_not_loaded_as_weights(weights, tmp_path):
    transformer = load_published_networks().transformer
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(MissingError, match="cannot be read"):
        load_transformer(transformer, tmp_path / "absent.safetensors")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_transformer(transformer, tmp_path / "text.safetensors")
    with pytest.raises(InputError, match="other tensors"):
        load_transformer(transformer, weights / "any.safetensors")
