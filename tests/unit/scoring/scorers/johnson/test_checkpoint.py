"""Checkpoints are untrusted input: all published forms are read, and anything else is rejected."""

import io
import os
import pickle
import struct
import zipfile

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InputError
from scoring.scorers.johnson import checkpoint, layers
from scoring.scorers.johnson.checkpoint import MAX_BYTES, read_checkpoint
from tests.unit.scoring.scorers.johnson.reference_network import random_state, saved, with_old_keys


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def whole(state):
    return saved(state)


def legacy(state):
    return saved(state, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("write", [saved, legacy, safetensors.torch.save])
@pytest.mark.parametrize("age", [dict, with_old_keys])
def test_all_formats_yield_the_same_tensors(state, write, age):
    tensors = read_checkpoint(write(age(state)), "waves.pth")
    assert list(tensors) == list(layers.expected_shapes())
    assert all(torch.equal(tensors[key], state[key]) for key in state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_converted_to_float32(state, dtype):
    tensors = read_checkpoint(saved({key: tensor.to(dtype) for key, tensor in state.items()}), "waves.pth")
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values())
    assert all(torch.equal(tensors[key], state[key].to(dtype).float()) for key in state)


def test_gradients_and_strides_are_removed(state):
    odd = {key: tensor.clone().requires_grad_() for key, tensor in state.items()}
    odd["in1.weight"] = torch.stack([state["in1.weight"]] * 2, 1)[:, 0].requires_grad_()
    tensors = read_checkpoint(saved(odd), "waves.pth")
    assert not any(tensor.requires_grad for tensor in tensors.values())
    assert torch.equal(tensors["in1.weight"], state["in1.weight"])
    assert tensors["in1.weight"].is_contiguous()


class FolderOnUnpickling:
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def bare_pickle(state):
    return pickle.dumps({"in1.weight": state["in1.weight"]}, protocol=2)


@pytest.mark.parametrize("write", [saved, legacy, bare_pickle])
def test_pickle_with_code_is_rejected_and_not_run(state, write, tmp_path):
    target = tmp_path / "done"
    data = write({**state, "in1.weight": FolderOnUnpickling(target)})
    with pytest.raises(InputError, match=r"\((posix|nt)\.mkdir\)"):
        read_checkpoint(data, "waves.pth")
    assert not target.exists()
    unguarded = pickle.loads if write is bare_pickle else lambda data: torch.load(io.BytesIO(data), weights_only=False)
    unguarded(data)
    assert target.exists(), "the pickle would run no code, so the test would prove nothing"


def test_pickled_model_is_rejected_by_its_class():
    with pytest.raises(InputError, match=r"\(torch\.nn\.modules"):
        read_checkpoint(saved(torch.nn.Conv2d(3, 3, 3)), "waves.pth")


@given(st.integers(0, 2**62))
def test_truncated_file_is_rejected(whole, cut):
    with pytest.raises(InputError, match=r"waves\.pth"):
        read_checkpoint(whole[: cut % len(whole)], "waves.pth")


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04}", b"\x09" + bytes(7) + b"{"])
)
def test_random_bytes_are_rejected(data, start):
    with pytest.raises(InputError, match=r"waves\.pth"):
        read_checkpoint(start + data, "waves.pth")


@given(st.data())
def test_corrupted_file_is_read_or_rejected(whole, data):
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, 9000))] = data.draw(st.integers(0, 255))
    try:
        tensors = read_checkpoint(bytes(changed), "waves.pth")
    except InputError:
        return
    assert list(tensors) == list(layers.expected_shapes())


def test_too_large_file_is_rejected_before_decoding(monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(InputError, match="32 MB"):
        read_checkpoint(bytes(MAX_BYTES + 1), "waves.pth")


def rezipped(data, compression, *, extra=b""):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", compression) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member), compression)
        if extra:
            new.writestr("archive/data/999", extra, compression)
    return file.getvalue()


def test_zip_bomb_is_rejected(whole, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("decoded"))
    bomb = rezipped(whole, zipfile.ZIP_DEFLATED, extra=bytes(200 * 2**20))
    assert len(bomb) < MAX_BYTES
    with pytest.raises(InputError, match="compressed"):
        read_checkpoint(bomb, "waves.pth")


def test_overlapping_zip_members_are_counted_in_full(whole, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("decoded"))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = archive.infolist()
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda _: members * 10)
    with pytest.raises(InputError, match="unpacks to"):
        read_checkpoint(whole, "waves.pth")


def test_huge_pickle_is_rejected(state, monkeypatch):
    data = saved({**state, **{f"{i}" * 40: i for i in range(20000)}})
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(InputError, match="unpacks to"):
        read_checkpoint(data, "waves.pth")


def test_safetensors_header_with_a_huge_tensor_is_rejected():
    header = b'{"in1.weight":{"dtype":"F32","shape":[999999999999],"data_offsets":[0,3999999999996]}}'
    with pytest.raises(InputError, match=r"waves\.pth"):
        read_checkpoint(struct.pack("<Q", len(header)) + header, "waves.pth")


def changed(state, **tensors):
    return {**state, **{key.replace("__", "."): tensor for key, tensor in tensors.items()}}


INVALID = {
    "another width": (
        lambda s: changed(s, conv1__conv2d__weight=torch.zeros(16, 3, 9, 9)),
        r"shape \(16, 3, 9, 9\), not",
    ),
    "missing tensor": (
        lambda s: {k: v for k, v in s.items() if k != "in3.bias"},
        r"1 missing tensors \('in3\.bias'\)",
    ),
    "unknown tensor": (lambda s: {**s, "res6.in1.bias": torch.zeros(3)}, r"1 unknown tensors \('res6"),
    "running statistics of an unknown norm": (lambda s: {**s, "x.running_mean": torch.zeros(3)}, r"'x\.running_mean'"),
    "another network": (
        lambda _: torch.nn.Linear(2, 2).state_dict(),
        r"62 missing tensors.*, 2 unknown tensors",
    ),
    "integers": (lambda s: changed(s, in1__bias=torch.zeros(32, dtype=torch.int64)), "floating-point"),
    "complex numbers": (lambda s: changed(s, in1__bias=torch.zeros(32, dtype=torch.complex64)), "floating-point"),
    "number instead of a tensor": (lambda s: changed(s, in1__bias=3.0), "dense"),
    "sparse tensor": (lambda s: changed(s, in1__bias=torch.zeros(32).to_sparse()), "dense"),
    "huge view": (lambda s: changed(s, in1__bias=torch.zeros(1).expand(10**12)), "shape"),
    "NaN": (lambda s: changed(s, in1__bias=torch.full((32,), torch.nan)), "NaN or infinity"),
    "beyond float32": (
        lambda s: changed(s, in1__bias=torch.full((32,), 1e300, dtype=torch.float64)),
        "NaN or infinity",
    ),
    "list": (lambda s: list(s.values()), "holds list"),
    "keys that are not strings": (lambda s: {1: s["in1.bias"]}, "not a state dict"),
}


@pytest.mark.parametrize("kind", INVALID)
def test_invalid_checkpoint_is_rejected_with_the_cause(state, kind):
    change, cause = INVALID[kind]
    with pytest.raises(InputError, match=cause) as caught:
        read_checkpoint(saved(change(state)), "waves.pth")
    assert "fast_neural_style" in caught.value.remedy
    assert "waves.pth" in str(caught.value)


@pytest.mark.parametrize("opcodes", [b"]", b"N", b"K\1"], ids=["lists", "None", "numbers"])
def test_long_pickle_is_rejected_before_it_is_read(opcodes):
    data = b"\x80\x02" + opcodes * 2**20 + b"."
    with pytest.raises(InputError, match=str(checkpoint.MAX_PICKLE_READS)):
        read_checkpoint(data, "waves.pth")
