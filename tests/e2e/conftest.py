"""A local cloud without faults, and the clip that the tests use."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from frame_tools.media.split import split
from local_cloud.accounts import FREE_PORTS
from local_cloud.cloud import CloudOptions
from tests.support.clips import Clip, Tone, make_clip
from tests.support.system import RunningSystem, running_system


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 numbered frames at 24000/1001 per second with two audio tracks."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    tones = (Tone(seconds=1.5, language="eng"), Tone(seconds=1.4, start=Fraction(1, 10), language="deu"))
    return make_clip(path, Clip(frames=36, size=(96, 64), rate=Fraction(24000, 1001), audio=tones))


@pytest.fixture(scope="session")
def split_clip(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the split clip."""
    folder = tmp_path_factory.mktemp("split")
    split(clip, folder)
    return folder


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A local cloud on free ports, in memory."""
    options = CloudOptions(folder=tmp_path_factory.mktemp("cloud"), ports=FREE_PORTS, in_memory=True, slots=2)
    with running_system(options) as running:
        yield running
