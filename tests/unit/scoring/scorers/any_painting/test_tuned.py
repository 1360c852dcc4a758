"""Tuned style files are read exactly, and invalid ones are rejected with the cause."""

import numpy as np
import pytest
import safetensors.numpy

from frame_tools.contracts.errors import InputError, NextStep
from scoring.scorers.any_painting.conditional_norm import NORM_CHANNELS, STYLE_PARAMETERS
from scoring.scorers.any_painting.tuned import dump_style, load_style

VALID = np.zeros(STYLE_PARAMETERS, np.float32)
KERNELS, NORMS = VALID[2 * NORM_CHANNELS :], VALID[: 2 * NORM_CHANNELS].reshape(2, -1)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "not a safetensors file"),
        (b"\x80\x04nonsense" * 9, "not a safetensors file"),
        (dump_style(VALID[1:], painting="a", painting_sha256="b"), r"kernels float32 \(99864,\) .*not .*\(99863,\)"),
        (safetensors.numpy.save({"norms": NORMS}), r"not norms float32 \(2, 347\)"),
        (safetensors.numpy.save({"norms": NORMS, "kernels": KERNELS.astype(np.float16)}), "not kernels float16"),
        (safetensors.numpy.save({"norms": NORMS, "kernels": KERNELS, "more": NORMS}), "more float32"),
        (dump_style(VALID + np.nan, painting="a", painting_sha256="b"), "not finite or above"),
        (dump_style(VALID + 1e9, painting="a", painting_sha256="b"), "not finite or above"),
    ],
)
def test_invalid_style_is_rejected_with_the_cause(data, cause):
    with pytest.raises(InputError, match=cause) as caught:
        load_style(data, "a.safetensors")
    assert "a.safetensors" in caught.value.what
    assert caught.value.next_step is NextStep.START_NEW_RUN


def test_style_survives_a_round_trip():
    style = np.random.default_rng(0).standard_normal(STYLE_PARAMETERS).astype(np.float32)
    assert np.array_equal(load_style(dump_style(style, painting="a", painting_sha256="b"), "a"), style)
