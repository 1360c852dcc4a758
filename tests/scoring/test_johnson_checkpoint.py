"""Checkpoints come from outside: every published form is read, and nothing else gets further than words."""

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
from scoring.scorers.johnson import checkpoint
from scoring.scorers.johnson.checkpoint import MAX_BYTES, read_checkpoint
from tests.scoring.johnson_oracle import made_up_state, saved, with_old_keys


@pytest.fixture(scope="module")
def state():
    return made_up_state()


@pytest.fixture(scope="module")
def whole(state):
    return saved(state)


def legacy(state):
    return saved(state, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("write", [saved, legacy, safetensors.torch.save])
@pytest.mark.parametrize("age", [dict, with_old_keys])
def test_every_form_gives_the_same_tensors(state, write, age):
    found = read_checkpoint(write(age(state)), "waves.pth")
    assert list(found) == list(checkpoint.expected_shapes())
    assert all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(state, dtype):
    found = read_checkpoint(saved({key: tensor.to(dtype) for key, tensor in state.items()}), "waves.pth")
    assert all(tensor.dtype == torch.float32 for tensor in found.values())
    assert all(torch.equal(found[key], state[key].to(dtype).float()) for key in state)


def test_tensors_with_gradients_and_strides_are_plain_afterwards(state):
    odd = {key: tensor.clone().requires_grad_() for key, tensor in state.items()}
    odd["in1.weight"] = torch.stack([state["in1.weight"]] * 2, 1)[:, 0].requires_grad_()
    found = read_checkpoint(saved(odd), "waves.pth")
    assert not any(tensor.requires_grad for tensor in found.values())
    assert torch.equal(found["in1.weight"], state["in1.weight"])
    assert found["in1.weight"].is_contiguous()


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def bare(state):
    return pickle.dumps({"in1.weight": state["in1.weight"]}, protocol=2)


@pytest.mark.parametrize("write", [saved, legacy, bare])
def test_a_pickle_with_code_is_refused_and_nothing_runs(state, write, tmp_path):
    target = tmp_path / "done"
    data = write({**state, "in1.weight": Evil(target)})
    with pytest.raises(InputError, match=r"asks for code \((posix|nt)\.mkdir\)"):
        read_checkpoint(data, "waves.pth")
    assert not target.exists()
    unguarded = pickle.loads if write is bare else lambda data: torch.load(io.BytesIO(data), weights_only=False)
    unguarded(data)
    assert target.exists(), "the pickle is harmless, so the test shows nothing"


def test_a_whole_model_instead_of_its_state_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"asks for code \(torch\.nn\.modules"):
        read_checkpoint(saved(torch.nn.Conv2d(3, 3, 3)), "waves.pth")


@given(st.integers(0, 2**62))
def test_a_truncated_file_is_refused_wherever_it_ends(whole, cut):
    with pytest.raises(InputError, match="can't be read"):
        read_checkpoint(whole[: cut % len(whole)], "waves.pth")


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04}", b"\x09" + bytes(7) + b"{"])
)
def test_any_bytes_are_refused_in_words(data, start):
    with pytest.raises(InputError, match=r"waves\.pth"):
        read_checkpoint(start + data, "waves.pth")


@given(st.data())
def test_a_file_with_flipped_bytes_is_read_or_refused_in_words(whole, data):
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, 9000))] = data.draw(st.integers(0, 255))
    try:
        found = read_checkpoint(bytes(changed), "waves.pth")
    except InputError:
        return
    assert list(found) == list(checkpoint.expected_shapes())


def test_a_file_that_is_too_large_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(InputError, match="more than 32 MB"):
        read_checkpoint(bytes(MAX_BYTES + 1), "waves.pth")


def rezipped(data, compression, *, extra=b""):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", compression) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member), compression)
        if extra:
            new.writestr("archive/data/999", extra, compression)
    return file.getvalue()


def test_a_zip_that_unpacks_to_more_than_it_is_is_refused(whole, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("decoded"))
    bomb = rezipped(whole, zipfile.ZIP_DEFLATED, extra=bytes(200 * 2**20))
    assert len(bomb) < MAX_BYTES
    with pytest.raises(InputError, match="compressed zip"):
        read_checkpoint(bomb, "waves.pth")


def test_a_zip_whose_members_overlap_is_counted_in_full(whole, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("decoded"))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = archive.infolist()
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda _: members * 10)
    with pytest.raises(InputError, match="unpacks to more"):
        read_checkpoint(whole, "waves.pth")


def test_a_huge_table_of_contents_is_refused(state, monkeypatch):
    data = saved({**state, **{f"{i}" * 40: i for i in range(20000)}})
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(InputError, match="unpacks to more"):
        read_checkpoint(data, "waves.pth")


def test_a_safetensors_header_that_promises_too_much_is_refused():
    header = b'{"in1.weight":{"dtype":"F32","shape":[999999999999],"data_offsets":[0,3999999999996]}}'
    with pytest.raises(InputError, match="can't be read"):
        read_checkpoint(struct.pack("<Q", len(header)) + header, "waves.pth")


def changed(state, **tensors):
    return {**state, **{key.replace("__", "."): tensor for key, tensor in tensors.items()}}


WRONG = {
    "of another width": (
        lambda s: changed(s, conv1__conv2d__weight=torch.zeros(16, 3, 9, 9)),
        r"shape \(16, 3, 9, 9\), not",
    ),
    "with a tensor missing": (
        lambda s: {k: v for k, v in s.items() if k != "in3.bias"},
        r"1 tensors missing \('in3\.bias'\)",
    ),
    "with others": (lambda s: {**s, "res6.in1.bias": torch.zeros(3)}, r"1 tensors that are not its own \('res6"),
    "running statistics elsewhere": (lambda s: {**s, "x.running_mean": torch.zeros(3)}, r"'x\.running_mean'"),
    "of another network": (
        lambda _: torch.nn.Linear(2, 2).state_dict(),
        r"62 tensors missing.*, 2 tensors that are not",
    ),
    "of whole numbers": (lambda s: changed(s, in1__bias=torch.zeros(32, dtype=torch.int64)), "floating-point"),
    "of complex numbers": (lambda s: changed(s, in1__bias=torch.zeros(32, dtype=torch.complex64)), "floating-point"),
    "with a number as tensor": (lambda s: changed(s, in1__bias=3.0), "no plain tensor"),
    "with a sparse tensor": (lambda s: changed(s, in1__bias=torch.zeros(32).to_sparse()), "no plain tensor"),
    "with a boundless view": (lambda s: changed(s, in1__bias=torch.zeros(1).expand(10**12)), "shape"),
    "with values that are no numbers": (lambda s: changed(s, in1__bias=torch.full((32,), torch.nan)), "no numbers"),
    "beyond float32": (lambda s: changed(s, in1__bias=torch.full((32,), 1e300, dtype=torch.float64)), "no numbers"),
    "a list": (lambda s: list(s.values()), "holds list"),
    "with keys that are no words": (lambda s: {1: s["in1.bias"]}, "not a table of tensors"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_checkpoint_is_refused_in_words(state, kind):
    change, words = WRONG[kind]
    with pytest.raises(InputError, match=words) as caught:
        read_checkpoint(saved(change(state)), "waves.pth")
    assert "fast_neural_style" in caught.value.remedy
    assert "waves.pth" in str(caught.value)
