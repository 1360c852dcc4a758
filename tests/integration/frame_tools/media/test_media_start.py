"""The output begins at time 0 with the first frame, whatever the source's clock says, and sound stays in sync."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.clips import Clip, Tone, make_clip, read_number
from tests.support.media import clicks_after_first_frame, join_split, read_sound, read_video
from tests.support.mp4_edits import set_edits

CLICKS = Tone(clicks=(0.1, 0.3))
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
INDEX_LAST = {"movflags": "disable_chpl"}
TEN_HOURS = {"output_ts_offset": "36000"}
MILLISECONDS = Fraction(1, 1000)
WMA = Tone(clicks=(0.1, 0.3), codec="wmav2", bit_rate=96_000)
DVD = Clip(codec="mpeg2video", pix_fmt="yuv420p", b_frames=0, audio=(Tone(clicks=(0.1, 0.3), codec="ac3"),))
WINDOWS_MEDIA = Clip(codec="wmv2", pix_fmt="yuv420p", b_frames=0, audio=(WMA,))

ARBITRARY_CLOCKS = {
    "transport stream": (".ts", Clip(audio=(CLICKS,))),
    "broadcast clock": (".ts", Clip(audio=(CLICKS,), muxer_options=TEN_HOURS)),
    "program stream": (".vob", DVD),
    "flash": (".flv", Clip(audio=(CLICKS,))),
    "fragmented": (".mp4", Clip(audio=(CLICKS,), muxer_options=FRAGMENTED)),
    "fragment at 10 h": (".mp4", Clip(audio=(CLICKS,), muxer_options=FRAGMENTED | TEN_HOURS)),
    "Matroska with priming": (".mkv", Clip(time_base=MILLISECONDS, pts=range(21, 421, 40), audio=(CLICKS,))),
    "camera with the time of day": (".mkv", Clip(audio=(CLICKS,), muxer_options={"output_ts_offset": "1600000000"})),
    "Windows media": (".wmv", WINDOWS_MEDIA),
}


@pytest.mark.parametrize(("suffix", "clip"), ARBITRARY_CLOCKS.values(), ids=ARBITRARY_CLOCKS.keys())
def test_output_begins_with_first_frame(tmp_path: Path, suffix: str, clip: Clip) -> None:
    source = make_clip(tmp_path / f"source{suffix}", clip)
    after = read_video(join_split(source, tmp_path).result)
    assert [read_number(image) for image in after.images] == list(range(clip.frames))
    assert after.times == [Fraction(number, 25) for number in range(clip.frames)]
    result = next(tmp_path.glob("result.*"))
    assert clicks_after_first_frame(result) == pytest.approx(clicks_after_first_frame(source), abs=0.002)
    assert len(clicks_after_first_frame(result)) == 2


def test_meant_delay_of_picture_is_kept(tmp_path: Path) -> None:
    """A Matroska file says nothing of the kind of a delay; a long one is meant, and the sound in it is not lost."""
    clip = Clip(time_base=MILLISECONDS, pts=range(500, 900, 40), audio=(CLICKS,))
    source = make_clip(tmp_path / "source.mkv", clip)
    result = join_split(source, tmp_path).result
    assert read_video(result).times[0] == pytest.approx(0.5, abs=0.022)
    assert clicks_after_first_frame(result) == pytest.approx(clicks_after_first_frame(source), abs=0.001)
    assert len(read_sound(result).clicks()) == 2


def test_late_sound_stays_late(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "source.ts", Clip(audio=(Tone(start=Fraction(1, 5), clicks=(0.1,)),)))
    result = join_split(source, tmp_path).result
    assert read_video(result).times[0] == 0
    assert clicks_after_first_frame(result) == pytest.approx([0.3], abs=0.002)


def test_trimmed_sound_is_not_hidden_in_the_file(tmp_path: Path) -> None:
    """Two seconds, of which the last 0.8 are shown: nothing but the decoder's warm-up is left of what was cut."""
    clip = Clip(frames=50, audio=(Tone(seconds=2, clicks=(0.2, 1.0, 1.5)),), muxer_options=INDEX_LAST)
    source = make_clip(tmp_path / "source.mp4", clip)
    start = Fraction(6, 5)
    set_edits(
        source, {0: [(start + Fraction(2, 25), Fraction(4, 5))], 1: [(start + Fraction(1024, 48_000), Fraction(4, 5))]}
    )
    trip = join_split(source, tmp_path)
    assert read_video(trip.result).times[0] == 0
    assert clicks_after_first_frame(trip.result) == pytest.approx([0.3], abs=0.001)
    assert trip.manifest.audio[0].start > -2 * Fraction(1024, 48_000)
    assert not trip.manifest.notes


def test_several_edits_are_played(tmp_path: Path) -> None:
    """The parts 0.4 to 0.8 s and 1.2 to 1.6 s, one after the other."""
    clip = Clip(frames=50, b_frames=0, audio=(Tone(seconds=2, clicks=(0.2, 0.5, 1.0, 1.5)),), muxer_options=INDEX_LAST)
    source = make_clip(tmp_path / "source.mp4", clip)
    priming, part = Fraction(1024, 48_000), Fraction(2, 5)
    starts = (Fraction(2, 5), Fraction(6, 5))
    set_edits(source, {0: [(start, part) for start in starts], 1: [(start + priming, part) for start in starts]})
    trip = join_split(source, tmp_path)
    after = read_video(trip.result)
    assert [read_number(image) for image in after.images] == [*range(10, 20), *range(30, 40)]
    assert {later - earlier for earlier, later in pairwise(after.times)} == {Fraction(1, 25)}
    assert read_sound(trip.result).clicks() == pytest.approx([0.1, 0.7], abs=0.025)
    assert "track 1" in trip.manifest.notes[0]


@pytest.mark.parametrize("sound", [(), (Tone(seconds=0.4, clicks=(0.2,)),)], ids=["silent", "with sound"])
def test_appended_recordings_follow_each_other(tmp_path: Path, sound: tuple[Tone, ...]) -> None:
    once = make_clip(tmp_path / "once.ts", Clip(audio=sound)).read_bytes()
    source = tmp_path / "source.ts"
    source.write_bytes(once + once)
    trip = join_split(source, tmp_path)
    after = read_video(trip.result)
    assert [read_number(image) for image in after.images] == [*range(10), *range(10)]
    assert after.times == [Fraction(number, 25) for number in range(20)]
    assert "1 jump of" in " ".join(trip.manifest.notes)
    if sound:
        assert clicks_after_first_frame(trip.result) == pytest.approx([0.2, 0.6], abs=0.002)


def test_gap_of_an_hour_in_a_broadcast_is_closed(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "first.ts", Clip(audio=(Tone(seconds=0.4, clicks=(0.2,)),)))
    second = make_clip(
        tmp_path / "second.ts",
        Clip(audio=(Tone(seconds=0.4, clicks=(0.2,)),), muxer_options={"output_ts_offset": "3600"}),
    )
    source = tmp_path / "source.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    trip = join_split(source, tmp_path)
    assert read_video(trip.result).times == [Fraction(number, 25) for number in range(20)]
    assert clicks_after_first_frame(trip.result) == pytest.approx([0.2, 0.6], abs=0.002)


def test_gap_in_other_formats_is_kept(tmp_path: Path) -> None:
    pts = [0, 40, 80, 60_000, 60_040]
    source = make_clip(tmp_path / "source.mkv", Clip(frames=5, time_base=MILLISECONDS, pts=pts, b_frames=0))
    trip = join_split(source, tmp_path)
    assert read_video(trip.result).times == [Fraction(stamp, 1000) for stamp in pts]
    assert not trip.manifest.notes


def test_sound_before_a_broadcast_begins_is_cut_and_said(tmp_path: Path) -> None:
    """A recording that begins in the middle of a group of pictures: the sound is there before the first picture."""
    clip = Clip(time_base=Fraction(1, 25), pts=range(20, 30), b_frames=0, audio=(Tone(seconds=2, clicks=(0.3, 1.0)),))
    source = make_clip(tmp_path / "source.ts", clip)
    trip = join_split(source, tmp_path)
    assert read_video(trip.result).times[0] == 0
    assert clicks_after_first_frame(trip.result) == pytest.approx([0.2], abs=0.002)
    (note,) = trip.manifest.notes
    assert "0.8 s" in note
