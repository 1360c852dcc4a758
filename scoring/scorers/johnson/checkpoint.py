"""Reading of uploaded checkpoints: tensors with the names and shapes of the published network, or an InputError.

Three forms are read: the zip that torch.save writes now, the bare pickle that it wrote until 2020 (many published
networks are such files), and safetensors. A pickle is read with weights_only: it may refer to tensor types only.
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
"""Limit of the file, and of the unpacked size of a zip. The published files have 6.7 MB."""
MAX_PICKLE_BYTES: Final = 2**20
"""Limit of the pickles in a zip; the published files have 10 kB."""

MAX_PICKLE_READS: Final = 200_000
"""Opcodes of a pickle, and their arguments; the published files have 4,000. Each takes a microsecond."""

_DEPRECATED: Final = re.compile(r"(.+)\.(?:running_mean|running_var|num_batches_tracked)")
"""Keys that PyTorch before 0.4 wrote. They are ignored: an instance norm has no running statistics."""

_REMEDY: Final = (
    "Upload a state dict of the network of pytorch/examples fast_neural_style with its published widths, as written by"
    " torch.save or safetensors (docs/scorers.md), then upload the trigger file again"
)


def read_checkpoint(data: bytes, name: str) -> dict[str, torch.Tensor]:
    """Return the network's tensors, float32 on the CPU; raises InputError with what is wrong in the file `name`."""
    if len(data) > MAX_BYTES:
        raise _invalid(f"The checkpoint {name} is larger than {MAX_BYTES // 2**20} MB")
    stored = _decode(data, name)
    if not isinstance(stored, dict) or not all(isinstance(key, str) for key in stored):
        raise _invalid(f"The checkpoint {name} holds {type(stored).__name__}, not a state dict")
    return _check({key: value for key, value in stored.items() if not _is_deprecated(key)}, name)


def _decode(data: bytes, name: str) -> Any:
    """Decode a file of any of the three forms."""
    try:
        if data[8:9] == b"{":
            return safetensors.torch.load(data)
        if data[:4] == b"PK\x03\x04":
            _check_zip(data, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice to the author of the file
            return torch.load(_BoundedReads(data), map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # the readers raise any type for invalid bytes
        message = " ".join(str(error).split())
        reason = _refused_code(message) or f"({type(error).__name__}: {message.rpartition('error: ')[2][:120]})"
        raise _invalid(f"The checkpoint {name} cannot be read {reason}") from error


class _BoundedReads(io.BytesIO):
    """A file of which only so many short parts can be read: an unpickler reads each opcode by itself.

    Tensors are read in one part each, so that a small number suffices for the published files.
    """

    _remaining = MAX_PICKLE_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes; raises ValueError if the pickle has too many opcodes."""
        self._count()
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line; raises ValueError if the pickle has too many opcodes."""
        self._count()
        return super().readline(size)

    def _count(self) -> None:
        self._remaining -= 1
        if self._remaining < 0:
            raise ValueError(f"the pickle has more than {MAX_PICKLE_READS} opcodes")


def _refused_code(message: str) -> str | None:
    """Return a reason that names the code that a pickle refers to, if it was refused for that."""
    match = re.search(r"(?:GLOBAL|global|function) (\S{1,80}) ", message)
    return f"because it refers to code ({match[1]}), which is never run" if match else None


def _check_zip(data: bytes, name: str) -> None:
    """Raise InputError for an archive that unpacks to more than the limits; torch.save never compresses."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise _invalid(f"The checkpoint {name} is a compressed zip")
    pickles = sum(member.file_size for member in members if member.filename.endswith(".pkl"))
    if sum(member.file_size for member in members) > MAX_BYTES or pickles > MAX_PICKLE_BYTES:
        raise _invalid(f"The checkpoint {name} unpacks to more than {MAX_BYTES // 2**20} MB or has too large a pickle")


def _is_deprecated(key: str) -> bool:
    match = _DEPRECATED.fullmatch(key)
    return match is not None and match[1] in NORMS


def _check(stored: dict[str, Any], name: str) -> dict[str, torch.Tensor]:
    """Return exactly the expected tensors as float32."""
    shapes = expected_shapes()
    missing, extra = [key for key in shapes if key not in stored], [key for key in stored if key not in shapes]
    if missing or extra:
        lists = ((missing, "missing"), (extra, "unknown"))
        parts = [f"{len(keys)} {problem} tensors ({_first(keys)})" for keys, problem in lists if keys]
        raise _invalid(f"The checkpoint {name} holds another network, with {', '.join(parts)}")
    return {key: _tensor(stored[key], key, shape, name) for key, shape in shapes.items()}


def _tensor(value: Any, key: str, shape: tuple[int, ...], name: str) -> torch.Tensor:
    """Return one tensor of the checkpoint as float32; raises InputError for another shape or for NaN or infinity."""
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or not value.dtype.is_floating_point:
        raise _invalid(f"{key} in the checkpoint {name} is not a dense floating-point tensor")
    if tuple(value.shape) != shape:
        raise _invalid(f"{key} in the checkpoint {name} has the shape {tuple(value.shape)}, not {shape}")
    tensor = value.detach().to("cpu", torch.float32).contiguous()
    if not math.isfinite(tensor.double().sum()):
        raise _invalid(f"{key} in the checkpoint {name} contains NaN or infinity")
    return tensor


def _invalid(what: str) -> InputError:
    """Return the error for a checkpoint that cannot be used."""
    return InputError(what, _REMEDY, next_step=NextStep.START_NEW_RUN)


def _first(keys: list[str]) -> str:
    """Return the first few keys, shortened: they are untrusted input."""
    shown = ", ".join(repr(key[:40]) for key in keys[:3])
    return shown if len(keys) <= 3 else f"{shown}, …"
