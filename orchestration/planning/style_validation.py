"""Validation of style files by suffix and first bytes. Nothing is executed or unpickled.

Without torch the app cannot read a checkpoint's tensors. It checks what is cheap, so that a wrong file is rejected
before a node is paid for; the node checks the rest.
"""

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from frame_tools.contracts.choices import StyleKind
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.scorers import ScorerSpec
from frame_tools.media.image_header import MAX_PAINTING_PIXELS, check_complete, kept_size, read_header

MAX_HEADER_BYTES: Final = 2**20
_CHECKPOINT_SUFFIXES: Final = {".pth", ".pt", ".model"}
_TORCH_MAGIC: Final = (b"PK\x03\x04", b"\x80\x02")
"""First bytes of files written by torch.save: a zip archive, or a pickle of protocol 2 before torch 1.6."""
_KIND_NAMES: Final = {
    "painting": "paintings (image files)",
    "tuned": "tuned styles (.safetensors, made by: python -m scoring tune)",
    "checkpoint": "checkpoints (.pth or .safetensors)",
}


@dataclass(frozen=True, kw_only=True)
class StyleInfo:
    """The kind of a style file; width and height in pixels if it is a painting."""

    kind: StyleKind
    width: int | None = None
    height: int | None = None


def inspect_style(name: str, data: bytes, spec: ScorerSpec) -> StyleInfo:
    """Return the kind of a style file. Raises InputError if it is damaged or not accepted by the scorer."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".safetensors":
        kind: StyleKind = "checkpoint" if "checkpoint" in spec.styles else "tuned"
    else:
        kind = "checkpoint" if suffix in _CHECKPOINT_SUFFIXES else "painting"
    if kind not in spec.styles:
        accepted = " and ".join(_KIND_NAMES[accepted_kind] for accepted_kind in spec.styles)
        raise InputError(
            f"The style {name!r} is not accepted by the scorer {spec.name!r}, which accepts {accepted}",
            "Name another file, or another scorer",
        )
    if kind == "painting":
        return _painting(name, data)
    if suffix == ".safetensors":
        _check_safetensors(name, data)
    elif not data.startswith(_TORCH_MAGIC):
        raise _damaged(name, "it does not begin like a file written by torch.save")
    return StyleInfo(kind=kind)


def _painting(name: str, data: bytes) -> StyleInfo:
    """Read the header only: decoding takes gigabytes for some small files. Tasks find damaged pixels."""
    try:
        header = read_header(data, max_pixels=MAX_PAINTING_PIXELS)
        check_complete(data, header)
    except InputError as error:
        raise InputError(f"The style {name!r} is invalid: {error.what}", error.remedy) from error
    width, height = kept_size(*header.size)
    return StyleInfo(kind="painting", width=width, height=height)


def _check_safetensors(name: str, data: bytes) -> None:
    """Validate the header: its length (8 bytes, little endian), then JSON naming tensors that fill the rest.

    https://huggingface.co/docs/safetensors/index#format
    """
    length = int.from_bytes(data[:8], "little")
    tensor_bytes = len(data) - 8 - length
    if len(data) < 8 or length > MAX_HEADER_BYTES or tensor_bytes < 0:
        raise _damaged(name, "its header has an invalid length")
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        raise _damaged(name, "its header is not JSON") from None
    tensors = {key: entry for key, entry in header.items() if key != "__metadata__"} if isinstance(header, dict) else {}
    if not tensors or any(_end(entry) is None for entry in tensors.values()):
        raise _damaged(name, "its header names no tensors")
    if max(_end(entry) or 0 for entry in tensors.values()) != tensor_bytes:
        raise _damaged(name, "the sizes of its tensors do not match the file; it may be truncated")


def _end(entry: Any) -> int | None:
    """Return the end offset of a tensor's bytes, or None if the entry is not a valid tensor."""
    match entry:
        case {"dtype": str(), "shape": list(), "data_offsets": [int(start), int(end)]} if 0 <= start <= end:
            return end
    return None


def _damaged(name: str, reason: str) -> InputError:
    return InputError(f"The style {name!r} is invalid: {reason}", "Upload it again, then upload the trigger file again")
