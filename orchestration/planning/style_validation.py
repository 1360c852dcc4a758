"""What kind of style a file is, by its name's ending and its first bytes. Nothing of it is executed or unpickled.

Without torch the app can't look into a checkpoint; it checks what is cheap, so that a wrong file is refused in words
before a node is paid, and the node checks the rest.
"""

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.scorers import ScorerSpec, StyleKind
from frame_tools.media import images

MAX_HEADER_BYTES: Final = 2**20
_CHECKPOINTS: Final = {".pth", ".pt", ".model"}
_MAGIC: Final = (b"PK\x03\x04", b"\x80\x02")
"""How torch.save begins: a zip archive, or before torch 1.6 a pickle of protocol 2."""
_WANTED: Final = {
    "painting": "paintings (image files)",
    "tuned": "tuned styles (.safetensors, made by: python -m scoring tune)",
    "checkpoint": "checkpoints (.pth or .safetensors)",
}


@dataclass(frozen=True, kw_only=True)
class StyleInfo:
    """What a look at a style file shows; width and height of a painting, in pixels."""

    kind: StyleKind
    width: int | None = None
    height: int | None = None


def look_at(name: str, data: bytes, spec: ScorerSpec) -> StyleInfo:
    """Return what the file is to the scorer; raises InputError if it is damaged or of a kind that it does not take."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".safetensors":
        kind: StyleKind = "checkpoint" if "checkpoint" in spec.styles else "tuned"
    else:
        kind = "checkpoint" if suffix in _CHECKPOINTS else "painting"
    if kind not in spec.styles:
        takes = " and ".join(_WANTED[one] for one in spec.styles)
        raise InputError(
            f"The style {name!r} is not what the scorer {spec.name!r} takes: {takes}",
            "Name another file, or another scorer",
        )
    if kind == "painting":
        return _painting(name, data)
    if suffix == ".safetensors":
        _check_safetensors(name, data)
    elif not data.startswith(_MAGIC):
        raise _damaged(name, "it does not begin as torch.save writes")
    return StyleInfo(kind=kind)


def _painting(name: str, data: bytes) -> StyleInfo:
    """Decode the picture to its end: one cut off half-way would fail in every task."""
    try:
        width, height = images.read_rgb(data).size
    except InputError as error:
        raise InputError(f"The style {name!r} can't be used: {error.what}", error.remedy) from error
    return StyleInfo(kind="painting", width=width, height=height)


def _check_safetensors(name: str, data: bytes) -> None:
    """Check the header: its length (8 bytes, little endian), then JSON that names tensors which fill the rest.

    https://huggingface.co/docs/safetensors/index#format
    """
    length = int.from_bytes(data[:8], "little")
    room = len(data) - 8 - length
    if len(data) < 8 or length > MAX_HEADER_BYTES or room < 0:
        raise _damaged(name, "its header has no sensible length")
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        raise _damaged(name, "its header is not JSON") from None
    tensors = {key: entry for key, entry in header.items() if key != "__metadata__"} if isinstance(header, dict) else {}
    if not tensors or any(_end(entry) is None for entry in tensors.values()):
        raise _damaged(name, "its header names no tensors")
    if max(_end(entry) or 0 for entry in tensors.values()) != room:
        raise _damaged(name, "its tensors do not fill it; it may have been cut off")


def _end(entry: Any) -> int | None:
    """Return where a tensor's bytes end, None if the entry describes none."""
    match entry:
        case {"dtype": str(), "shape": list(), "data_offsets": [int(start), int(end)]} if 0 <= start <= end:
            return end
    return None


def _damaged(name: str, how: str) -> InputError:
    return InputError(f"The style {name!r} can't be used: {how}", "Upload it again, then put the trigger file again")
