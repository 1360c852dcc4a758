"""Validation of style files."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.scorers import SCORERS
from orchestration.planning.style_validation import inspect_style
from tests.support.style_files import checkpoint, jpeg_painting, safetensors
from tests.support.world import painting


@pytest.mark.parametrize(
    ("scorer", "name", "data", "kind", "size"),
    [
        ("any", "sea.png", painting(), "painting", (40, 30)),
        ("any", "sea", painting(), "painting", (40, 30)),
        ("any", "sea.SafeTensors", safetensors(), "tuned", (None, None)),
        ("tuned", "sea.safetensors", safetensors(metadata=True), "tuned", (None, None)),
        ("gatys", "sea.jpg", jpeg_painting(), "painting", (20, 16)),
        ("johnson", "mosaic.safetensors", safetensors(), "checkpoint", (None, None)),
        ("johnson", "mosaic.pth", checkpoint(), "checkpoint", (None, None)),
        ("johnson", "mosaic.model", b"\x80\x02old", "checkpoint", (None, None)),
        ("johnson", "mosaic.PT", checkpoint(), "checkpoint", (None, None)),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_inspect_style_returns_kind_and_size(
    scorer: str, name: str, data: bytes, kind: str, size: tuple[int | None, int | None]
) -> None:
    style = inspect_style(name, data, SCORERS[scorer])
    assert (style.kind, (style.width, style.height)) == (kind, size)


HEADER = b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'


@pytest.mark.parametrize(
    ("scorer", "name", "data", "fragment"),
    [
        ("tuned", "sea.png", painting(), "tuned styles"),
        ("gatys", "sea.safetensors", safetensors(), "paintings"),
        ("johnson", "sea.png", painting(), "checkpoints"),
        ("any", "sea.pth", checkpoint(), "paintings (image files) and tuned styles"),
        ("any", "sea.png", b"no picture", "invalid"),
        ("any", "sea.png", jpeg_painting()[:100], "invalid"),
        ("any", "sea.png", painting()[:-20], "truncated"),
        ("any", "sea.png", safetensors(), "invalid"),
        ("johnson", "sea.pth", painting(), "torch.save"),
        ("johnson", "sea.pth", b"", "torch.save"),
        ("tuned", "a.safetensors", b"", "invalid length"),
        ("tuned", "a.safetensors", b"\0" * 7, "invalid length"),
        ("tuned", "a.safetensors", struct.pack("<Q", 2**63) + HEADER, "invalid length"),
        ("tuned", "a.safetensors", struct.pack("<Q", 2**20 + 1) + b" " * (2**20 + 1), "invalid length"),
        ("tuned", "a.safetensors", checkpoint(), "invalid length"),
        ("tuned", "a.safetensors", safetensors(header=b"{"), "not JSON"),
        ("tuned", "a.safetensors", safetensors(header=b"[" * 100_000), "not JSON"),
        ("tuned", "a.safetensors", safetensors(header=b"[]"), "names no tensors"),
        ("tuned", "a.safetensors", safetensors(header=b"{}"), "names no tensors"),
        ("tuned", "a.safetensors", safetensors(header=b'{"w": 1}'), "names no tensors"),
        ("tuned", "a.safetensors", safetensors(header=HEADER.replace(b"[0, 8]", b"[8, 0]")), "names no tensors"),
        ("tuned", "a.safetensors", safetensors()[:-1], "truncated"),
        ("tuned", "a.safetensors", safetensors() + b"\0", "do not match"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_inspect_style_rejects_invalid_files(scorer: str, name: str, data: bytes, fragment: str) -> None:
    with pytest.raises(InputError) as raised:
        inspect_style(name, data, SCORERS[scorer])
    assert fragment in raised.value.what
    assert name in raised.value.what
    assert raised.value.remedy


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: safetensors(header=tail)))
def test_inspect_style_accepts_or_rejects_any_bytes(data: bytes) -> None:
    for scorer, name in (("tuned", "a.safetensors"), ("johnson", "a.pth"), ("any", "a.png")):
        with suppress(InputError):
            assert inspect_style(name, data, SCORERS[scorer]).kind in SCORERS[scorer].styles
