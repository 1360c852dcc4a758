"""Each loss responds to what it measures, and to nothing else."""

import pytest
import torch

from scoring.perception import losses


def test_losses_of_a_picture_to_itself_are_zero(vgg):
    x = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = vgg(x)
        mirrored = vgg(x.flip(-1))
    assert losses.content_loss(features, features).max() == 0
    assert losses.style_loss(features, losses.grams(features)).max() < 1e-9
    # A mirrored picture has the same texture and different content.
    assert (
        losses.style_loss(mirrored, losses.grams(features)).max() < 0.2 * losses.content_loss(mirrored, features).min()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gram_has_the_derivative_of_its_formula_in_the_layout_of_the_features(dtype):
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(2, 6, 4, 5, generator=generator).to(dtype, memory_format=torch.channels_last)
    above = torch.rand(2, 6, 6, generator=generator)
    flat = features.float().flatten(2).requires_grad_()
    ((flat @ flat.transpose(1, 2) / 120) * above).sum().backward()
    features.requires_grad_()
    (losses.gram(features) * above).sum().backward()
    torch.testing.assert_close(features.grad, flat.grad.view(2, 6, 4, 5).to(dtype))
    assert features.grad.is_contiguous(memory_format=torch.channels_last)


def test_grid_energy_is_high_for_the_grid_and_low_for_strokes():
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    base = torch.full((1, 3, 128, 128), 0.5)
    grid = base + 0.05 * ((rows % 4 < 2) ^ (columns % 4 < 2)).float()
    strokes = base + 0.05 * torch.sin((rows + 0.6 * columns) / 1.7)
    assert losses.grid_energy(base).item() < 1e-9
    assert losses.grid_energy(grid).item() > 30 * losses.grid_energy(strokes).item()


def test_smooth_regions_are_gradients_and_blurs_but_no_texture():
    slope = torch.linspace(0, 1, 96).view(1, 1, 1, 96).expand(1, 3, 96, 96)
    texture = 0.05 * torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    texture[..., :48] = 0
    smooth = losses.smooth_regions(slope + texture)
    assert smooth[..., :40].mean() == 1
    assert smooth[..., 56:].mean() < 0.05
    assert losses.flat_regions(slope)[..., 10:-10].mean() == 0


def test_specks_are_high_for_dots_and_rings():
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    radius = ((rows % 12 - 6).square() + (columns % 12 - 6).square()).sqrt()
    stripes = 0.5 + 0.2 * torch.sin((rows + 0.6 * columns) / 1.7)
    edge = (rows > 0.7 * columns).float()
    dots, rings = ((radius < 3).float(), ((radius > 2) & (radius < 4)).float())
    plain = torch.full((1, 3, 96, 96), 0.5)
    values = {
        name: losses.specks(picture.expand(1, 3, 96, 96), plain).item()
        for name, picture in {"dots": dots, "rings": rings, "stripes": stripes, "edge": edge}.items()
    }
    assert min(values["dots"], values["rings"]) > 20 * max(values["stripes"], values["edge"]) >= 0
    assert losses.specks(plain, plain).abs().max() < 1e-6
    dotted = dots.expand(1, 3, 96, 96)
    assert losses.specks(dotted, dotted).item() == 0, "dots of the photo are not specks"
    at_the_border, inside = (torch.where((rows >= top) & (rows < top + 12), dots, 0.5) for top in (84, 36))
    in_both = [losses.specks(picture.expand(1, 3, 96, 96), plain).item() for picture in (at_the_border, inside)]
    assert in_both[0] > 0.7 * in_both[1], "dots at the border are measured, too"


def test_flat_regions_have_no_texture():
    generator = torch.Generator().manual_seed(0)
    half = torch.full((1, 3, 64, 64), 0.4)
    half[..., 32:] = torch.rand(1, 3, 64, 32, generator=generator)
    flat = losses.flat_regions(half)
    assert flat[..., :24].min() == 1
    assert flat[..., 40:].max() == 0
    assert losses.flat_energy(half, flat).item() < 1e-6 < losses.flat_energy(half, 1 - flat).item()
