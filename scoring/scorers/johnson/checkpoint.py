"""Read a checkpoint that a person uploaded: tensors of the published network's names and shapes, or words.

Three forms: what torch.save writes now (a zip), what it wrote until 2020 (a bare pickle; many published networks are
such files), and safetensors. A pickle is read with weights_only: it may name tensors' own types and nothing else.
https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

import io
import math
import re
import warnings
import zipfile
from typing import Any, Final

import safetensors.torch
import torch

from frame_tools.contracts.errors import InputError, NextStep
from scoring.scorers.johnson.layers import NORMS, expected_shapes

MAX_BYTES: Final = 32 * 2**20
"""Of the file, and of all that a zip unpacks to. The published files have 6.7 MB."""
MAX_PICKLE_BYTES: Final = 2**20
"""Of the table of contents in a zip; the published files have 10 kB."""

_DEPRECATED = re.compile(r"(.+)\.(?:running_mean|running_var|num_batches_tracked)")
"""Written by PyTorch before 0.4 and of no use: an instance norm has no running statistics."""

_REMEDY = (
    "Give a state dict of the network of pytorch/examples fast_neural_style, unchanged in its widths: a file of"
    " torch.save or safetensors (docs/scorers.md), then put the trigger file again"
)


def read_checkpoint(data: bytes, name: str) -> dict[str, torch.Tensor]:
    """Give the network's tensors, float32 on the CPU; raises InputError that says what the file `name` has wrong."""
    if len(data) > MAX_BYTES:
        raise _invalid(f"The checkpoint {name} has more than {MAX_BYTES // 2**20} MB")
    stored = _stored(data, name)
    if not isinstance(stored, dict) or not all(isinstance(key, str) for key in stored):
        raise _invalid(f"The checkpoint {name} holds {type(stored).__name__}, not a table of tensors")
    return _checked({key: value for key, value in stored.items() if not _is_deprecated(key)}, name)


def _stored(data: bytes, name: str) -> Any:
    """Decode the file, whichever form it has."""
    try:
        if data[8:9] == b"{":
            return safetensors.torch.load(data)
        if data[:4] == b"PK\x03\x04":
            _check_zip(data, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reader's advice to whoever wrote the file
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # made-up bytes let the readers raise anything
        words = " ".join(str(error).split())
        reason = _refused_name(words) or f"({type(error).__name__}: {words.rpartition('error: ')[2][:120]})"
        raise _invalid(f"The checkpoint {name} can't be read {reason}") from error


def _refused_name(words: str) -> str | None:
    """Say which code a pickle asked for, if that is why it was refused."""
    found = re.search(r"(?:GLOBAL|global|function) (\S{1,80}) ", words)
    return f"because it asks for code ({found[1]}), which is never run" if found else None


def _check_zip(data: bytes, name: str) -> None:
    """Refuse an archive that would unpack to much more than it is; torch.save never compresses."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise _invalid(f"The checkpoint {name} is a compressed zip")
    pickles = sum(member.file_size for member in members if member.filename.endswith(".pkl"))
    if sum(member.file_size for member in members) > MAX_BYTES or pickles > MAX_PICKLE_BYTES:
        raise _invalid(f"The checkpoint {name} unpacks to more than a network of this kind has")


def _is_deprecated(key: str) -> bool:
    found = _DEPRECATED.fullmatch(key)
    return found is not None and found[1] in NORMS


def _checked(stored: dict[str, Any], name: str) -> dict[str, torch.Tensor]:
    """Give exactly the expected tensors as float32."""
    shapes = expected_shapes()
    missing, extra = [key for key in shapes if key not in stored], [key for key in stored if key not in shapes]
    if missing or extra:
        lists = ((missing, "missing"), (extra, "that are not its own"))
        parts = [f"{len(keys)} tensors {word} ({_some(keys)})" for keys, word in lists if keys]
        raise _invalid(f"The checkpoint {name} holds another network: {', '.join(parts)}")
    return {key: _tensor(stored[key], key, shape, name) for key, shape in shapes.items()}


def _tensor(value: Any, key: str, shape: tuple[int, ...], name: str) -> torch.Tensor:
    """Give one tensor of the checkpoint, of this shape and of finite float32 numbers."""
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or not value.dtype.is_floating_point:
        raise _invalid(f"{key} in the checkpoint {name} is no plain tensor of floating-point numbers")
    if tuple(value.shape) != shape:
        raise _invalid(f"{key} in the checkpoint {name} has the shape {tuple(value.shape)}, not {shape}")
    tensor = value.detach().to("cpu", torch.float32).contiguous()
    if not math.isfinite(tensor.double().sum()):
        raise _invalid(f"{key} in the checkpoint {name} holds values that are no numbers")
    return tensor


def _invalid(what: str) -> InputError:
    return InputError(what, _REMEDY, next_step=NextStep.START_NEW_RUN)


def _some(keys: list[str]) -> str:
    """Name the first few of many keys; they may be anybody's words."""
    shown = ", ".join(repr(key[:40]) for key in keys[:3])
    return shown if len(keys) <= 3 else f"{shown}, …"
