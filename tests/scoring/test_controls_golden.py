"""The controls give the pictures that were looked at when they were kept, and the same bytes however often."""

import cv2
import numpy as np
import pytest

from scoring import image_codec
from tests.scoring.controls_golden import CASES, FOLDER


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


@pytest.mark.parametrize("name", CASES)
def test_a_control_gives_its_golden_picture(name):
    golden = image_codec.decode((FOLDER / f"controls_{name}.png").read_bytes(), name)
    assert psnr(CASES[name](), golden) > 50


@pytest.mark.parametrize("name", CASES)
def test_a_control_gives_the_same_bytes_on_any_number_of_threads(name):
    alone = CASES[name]()
    cv2.setNumThreads(4)
    try:
        assert np.array_equal(CASES[name](), alone)
    finally:
        cv2.setNumThreads(1)


def test_golden_pictures_differ_from_each_other():
    pictures = [make() for make in CASES.values()]
    for i, one in enumerate(pictures):
        assert all(psnr(one, other) < 35 for other in pictures[i + 1 :])
