"""The postprocessing options reproduce the golden pictures."""

import cv2
import numpy as np
import pytest

from scoring import image_codec
from tests.support.golden_pictures import CASES, FOLDER


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


@pytest.mark.parametrize("name", CASES)
def test_option_matches_golden_picture(name):
    golden = image_codec.decode((FOLDER / f"controls_{name}.png").read_bytes(), name)
    assert psnr(CASES[name](), golden) > 50


@pytest.mark.parametrize("name", CASES)
def test_result_does_not_depend_on_threads(name):
    alone = CASES[name]()
    cv2.setNumThreads(4)
    try:
        assert np.array_equal(CASES[name](), alone)
    finally:
        cv2.setNumThreads(1)


def test_golden_pictures_differ():
    pictures = [make() for make in CASES.values()]
    for i, picture in enumerate(pictures):
        assert all(psnr(picture, other) < 35 for other in pictures[i + 1 :])
