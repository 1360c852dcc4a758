"""Split, encode, join: the output has the frames, timestamps, geometry, colors and audio of the original."""

from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frame_tools.contracts.split_options import SplitOptions
from tests.support.clips import UNTAGGED, Clip, Tone, read_number
from tests.support.media import read_video, round_trip

VFR = tuple(accumulate((0, 40, 41, 900, 1, 40, 7000, 33, 34, 33)))
STEREO_PAIR = (Tone(language="deu"), Tone(start=Fraction(1, 4), sample_rate=44_100, language="fra"))

CLIPS = {
    "film": Clip(rate=Fraction(24_000, 1001)),
    "ntsc": Clip(rate=Fraction(30_000, 1001), audio=(Tone(),)),
    "sport": Clip(rate=Fraction(60_000, 1001), audio=(Tone(),)),
    "phone": Clip(rate=Fraction(90_000, 2999), time_base=Fraction(1, 90_000), pts=range(0, 29_990, 2999)),
    "pal": Clip(rate=Fraction(25)),
    "slow": Clip(rate=Fraction(1, 2), frames=3),
    "variable": Clip(time_base=Fraction(1, 1000), pts=VFR, audio=(Tone(),)),
    "late start": Clip(time_base=Fraction(1, 1000), pts=range(777, 1177, 40), audio=(Tone(),)),
    "odd sides": Clip(size=(35, 27)),
    "one frame": Clip(frames=1, audio=(Tone(seconds=0.1),)),
    "no B-frames": Clip(b_frames=0),
    "turned right": Clip(rotation=90, sample_aspect=Fraction(4, 3)),
    "upside down": Clip(rotation=180),
    "turned left": Clip(rotation=270),
    "mirrored": Clip(mirrored=True),
    "turned and mirrored": Clip(rotation=90, mirrored=True),
    "pixels not square": Clip(sample_aspect=Fraction(128, 117)),
    "BT.709 limited": Clip(color=(1, 1, 1, 1)),
    "BT.601 full": Clip(color=(6, 6, 6, 2)),
    "two languages": Clip(audio=STEREO_PAIR),
    "audio ends late": Clip(frames=3, audio=(Tone(seconds=2),)),
    "audio starts late": Clip(audio=(Tone(start=Fraction(1, 3)),)),
    "cover image": Clip(cover=True),
}


def with_explicit_matrix(color: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the color tags with the matrix and range that players assume for small untagged video: BT.601, limited."""
    primaries, transfer, matrix, levels = color
    return primaries, transfer, 6 if matrix == UNTAGGED else matrix, levels or 1


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS.keys())
def test_round_trip_preserves_everything(tmp_path: Path, clip: Clip) -> None:
    borders = sorted({0, clip.frames // 3, clip.frames // 2})
    trip = round_trip(tmp_path, clip, borders=borders)
    before, after = read_video(trip.source), read_video(trip.result)
    assert [read_number(image) for image in after.images] == list(range(clip.frames))
    assert after.times == before.times
    assert all(step > 0 for step in after.decode_steps)
    assert after.size == clip.size
    assert after.sample_aspect == clip.sample_aspect
    assert after.rotation == 0
    assert after.color == with_explicit_matrix(before.color)
    assert after.audio == before.audio
    assert after.languages == before.languages
    assert trip.report.frames == clip.frames
    assert trip.report.bytes == trip.result.stat().st_size
    assert trip.report.tracks == len(clip.audio)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.one_of(st.integers(1, 90), st.integers(1000, 60_000)), max_size=11),
    first=st.integers(0, 5000),
    cuts=st.sets(st.integers(1, 11), max_size=4),
)
def test_any_timestamps_and_borders(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], first: int, cuts: set[int]
) -> None:
    pts = list(accumulate(steps, initial=first))
    # Without B-frames, since FFmpeg's own MP4 with both B-frames and long gaps can lose frames when read.
    clip = Clip(
        frames=len(pts), size=(32, 32), time_base=Fraction(1, 1000), pts=pts, audio=(Tone(seconds=0.2),), b_frames=0
    )
    borders = [0, *sorted(cut for cut in cuts if cut < len(pts))]
    trip = round_trip(tmp_path_factory.mktemp("any"), clip, borders=borders)
    after = read_video(trip.result)
    assert after.times == [Fraction(stamp, 1000) for stamp in pts]
    assert after.audio == read_video(trip.source).audio
    assert all(step > 0 for step in after.decode_steps)


def test_audio_that_needs_matroska_stays_in_sync(tmp_path: Path) -> None:
    clip = Clip(audio=(Tone(codec="pcm_u8"), Tone(start=Fraction(1, 5))))
    trip = round_trip(tmp_path, clip, suffix=".mkv", options=SplitOptions(container="mkv"))
    before, after = read_video(trip.source), read_video(trip.result)
    assert (trip.manifest.audio_file, trip.manifest.container) == ("audio.mka", "mkv")
    old, new = ([[data for _, data in track] for track in video.audio] for video in (before, after))
    assert new == old
    offsets = [track[0][0] - video.times[0] for video in (before, after) for track in video.audio]
    assert all(abs(old - new) <= Fraction(1, 500) for old, new in zip(offsets[:2], offsets[2:], strict=True))
    assert after.times == before.times


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi", ".mov"])
def test_other_containers_become_mp4(tmp_path: Path, suffix: str) -> None:
    clip = Clip(audio=(Tone(codec="mp3"),), b_frames=2)
    trip = round_trip(tmp_path, clip, suffix=suffix, borders=[0, 4])
    after = read_video(trip.result)
    assert [read_number(image) for image in after.images] == list(range(clip.frames))
    assert {later - earlier for earlier, later in pairwise(after.times)} == {Fraction(1, 25)}
    assert len(after.audio[0]) == len(read_video(trip.source).audio[0])


@pytest.mark.parametrize(("suffix", "codec", "sound"), [(".rm", "rv20", "ac3"), (".wtv", "mpeg2video", "ac3")])
def test_old_recordings_are_read(tmp_path: Path, suffix: str, codec: str, sound: str) -> None:
    """RealMedia, and recordings of Windows Media Center."""
    clip = Clip(codec=codec, pix_fmt="yuv420p", b_frames=0, audio=(Tone(codec=sound),))
    trip = round_trip(tmp_path, clip, suffix=suffix)
    after = read_video(trip.result)
    assert [read_number(image) for image in after.images] == list(range(clip.frames))
    assert after.times[0] == 0
    assert {later - earlier for earlier, later in pairwise(after.times)} == {Fraction(1, 25)}
    assert len(after.audio) == 1


def test_metadata_is_kept_and_location_on_request(tmp_path: Path) -> None:
    metadata = {"title": "Ein Täst", "creation_time": "2020-01-02T03:04:05.000000Z", "location": "+12.3456-045.6789/"}
    clip = Clip(metadata=metadata)
    (tmp_path / "plain").mkdir()
    (tmp_path / "located").mkdir()
    plain = read_video(round_trip(tmp_path / "plain", clip, suffix=".mov").result).metadata
    located = read_video(
        round_trip(tmp_path / "located", clip, suffix=".mov", options=SplitOptions(keep_location=True)).result
    ).metadata
    assert (plain["title"], plain["creation_time"]) == (metadata["title"], metadata["creation_time"])
    assert not any("location" in key for key in plain)
    assert located["location"].startswith("+12.345")


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    clip = Clip(audio=(Tone(),), metadata={"title": "same"})
    results = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        results.append(round_trip(tmp_path / name, clip, borders=[0, 5]).result.read_bytes())
    assert results[0] == results[1]
