"""Working sizes: what `size` and `strokes` make of a frame's size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.choices import StrokeName
from frame_tools.contracts.options import STROKE_SIZES, Options
from frame_tools.contracts.working_size import MAX_PIXELS, MAX_SIDE, working_size


@pytest.mark.parametrize(
    ("frame", "asked", "expected"),
    [
        ((1920, 1080), {}, (1920, 1080)),
        ((1920, 1080), {"size": 360}, (640, 360)),
        ((1080, 1920), {"size": 360}, (360, 640)),
        ((641, 361), {"size": 180}, (320, 180)),
        ((640, 360), {"size": 720}, (640, 360)),  # `size` never enlarges
        ((1, 1), {"size": 16}, (1, 1)),
        ((8192, 100), {"size": 16}, (1311, 16)),
        ((3840, 2160), {"strokes": 1}, (1280, 720)),
        ((3840, 2160), {"strokes": 0.5}, (2560, 1440)),
        ((640, 360), {"strokes": 1}, (1280, 720)),
        ((320, 240), {"strokes": 0.5}, (1280, 960)),  # at most 4 times
        ((176, 144), {"strokes": 0.1}, (704, 576)),
        ((1280, 740), {"strokes": 1}, (1280, 740)),  # near enough
        ((7680, 4320), {"strokes": 0.1}, (7680, 4320)),  # 8K is never enlarged
        ((4096, 100), {"strokes": 0.1}, (8192, 200)),  # nor is a side beyond 8192
        ((1, 1), {"strokes": 10}, (4, 4)),
        ((3840, 2160), {"strokes": "fine"}, (1280, 720)),
        ((1920, 1080), {"strokes": "medium"}, (640, 360)),
        ((1080, 1920), {"strokes": "broad"}, (240, 427)),
    ],
)
def test_working_size_of_options(frame, asked, expected):
    width, height = frame
    assert working_size(width, height, Options(**asked)) == expected


@given(
    st.integers(1, 8192),
    st.integers(1, 8192),
    st.builds(Options, size=st.integers(16, 8192)) | st.builds(Options, strokes=st.floats(0.1, 10)),
)
def test_working_size_keeps_shape_and_limits(width, height, options):
    w, h = working_size(width, height, options)
    scale = min(w, h) / min(width, height)
    assert abs(w - width * scale) <= 0.5 + 1e-9
    assert abs(h - height * scale) <= 0.5 + 1e-9
    assert scale <= 4
    if scale > 1:
        assert options.size is None
        assert max(w, h) <= MAX_SIDE
        assert w * h <= MAX_PIXELS * 1.01
    if options.size is not None:
        assert min(w, h) == min(options.size, width, height)


@pytest.mark.parametrize("name", STROKE_SIZES)
def test_named_strokes_are_painted_at_one_size_at_any_resolution(name: StrokeName) -> None:
    frames = [(640, 360), (1280, 720), (1920, 1080), (3840, 2160)]
    lines = {working_size(*frame, Options.model_validate({"strokes": name}))[1] for frame in frames}
    assert lines == {round(720 / STROKE_SIZES[name])}
