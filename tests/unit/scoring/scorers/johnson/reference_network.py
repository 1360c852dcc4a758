"""Plain implementation of the published network, as a reference for `scoring.scorers.johnson`, and random checkpoints.

The random convolutions preserve the magnitude of their input.
"""

import io

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

WIDTHS = {"conv1": (3, 32, 9), "conv2": (32, 64, 3), "conv3": (64, 128, 3)}
WIDTHS |= {f"res{i}.conv{k}": (128, 128, 3) for i in range(1, 6) for k in (1, 2)}
WIDTHS |= {"deconv1": (128, 64, 3), "deconv2": (64, 32, 3), "deconv3": (32, 3, 9)}
NORM_OF = {"conv1": "in1", "conv2": "in2", "conv3": "in3", "deconv1": "in4", "deconv2": "in5"}
NORM_OF |= {f"res{i}.conv{k}": f"res{i}.in{k}" for i in range(1, 6) for k in (1, 2)}


def random_state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for conv, (inputs, outputs, size) in WIDTHS.items():
        shape = (outputs, inputs, size, size)
        scale = 50 if conv == "deconv3" else 1
        state[f"{conv}.conv2d.weight"] = torch.randn(shape, generator=generator) * scale / (inputs * size**2) ** 0.5
        state[f"{conv}.conv2d.bias"] = torch.randn(outputs, generator=generator) + (127 if conv == "deconv3" else 0)
        if conv in NORM_OF:
            state[f"{NORM_OF[conv]}.weight"] = torch.rand(outputs, generator=generator) + 0.5
            state[f"{NORM_OF[conv]}.bias"] = torch.randn(outputs, generator=generator) / 4
    return state


def with_old_keys(state):
    """Add the keys that PyTorch 0.3 wrote, and that later versions write with track_running_stats."""
    old = dict(state)
    for norm in NORM_OF.values():
        old[f"{norm}.running_mean"] = torch.zeros(len(state[f"{norm}.bias"]))
        old[f"{norm}.running_var"] = torch.ones(len(state[f"{norm}.bias"]))
        old[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    return old


def saved(state, **options):
    file = io.BytesIO()
    torch.save(state, file, **options)
    return file.getvalue()


def paint_as_published(state, x):
    """Paint (B, 3, H, W) in 0..255; norms use joint statistics of `x`, which for one picture is as published."""

    def conv(name, x, stride=1):
        weight = state[f"{name}.conv2d.weight"]
        pad = weight.shape[-1] // 2
        x = F.pad(x, (pad, pad, pad, pad), mode="reflect")
        return F.conv2d(x, weight, state[f"{name}.conv2d.bias"], stride=stride)

    def norm(name, x):
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
        gamma, beta = (state[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias"))
        return (x - mean) / (var + 1e-5).sqrt() * gamma + beta

    def doubled(x):
        return F.interpolate(x, scale_factor=2, mode="nearest")

    y = F.relu(norm("in1", conv("conv1", x)))
    y = F.relu(norm("in2", conv("conv2", y, stride=2)))
    y = F.relu(norm("in3", conv("conv3", y, stride=2)))
    for i in range(1, 6):
        z = F.relu(norm(f"res{i}.in1", conv(f"res{i}.conv1", y)))
        y = y + norm(f"res{i}.in2", conv(f"res{i}.conv2", z))
    y = F.relu(norm("in4", conv("deconv1", doubled(y))))
    y = F.relu(norm("in5", conv("deconv2", doubled(y))))
    return conv("deconv3", y)
