"""`join` names damaged segments and leaves no incomplete file behind."""

import dataclasses
import io
from fractions import Fraction
from pathlib import Path

import av
import pytest

from frame_tools.contracts.errors import DamagedError, MissingError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.media_description import AudioTrack
from frame_tools.media.join import Segment, join
from frame_tools.media.segment import SegmentEncoder
from tests.support.clips import Clip, Tone, draw, make_clip, read_number
from tests.support.media import read_video, segment_bytes, segments_of

COUNT = 12
BORDERS = [0, 4, 8]
MANIFEST = Manifest.plain(COUNT, Fraction(25), width=64, height=48)


@pytest.fixture(scope="module")
def segments() -> list[Segment]:
    return segments_of(MANIFEST, [draw(number, (64, 48)) for number in range(COUNT)], BORDERS)


def flipped(data: bytes, share: float) -> bytes:
    start = int(len(data) * share)
    return data[:start] + bytes(byte ^ 0x55 for byte in data[start : start + 40]) + data[start + 40 :]


def other_settings() -> bytes:
    encoder = SegmentEncoder(MANIFEST, preset="ultrafast")
    for number in range(4):
        encoder.add(draw(number, (64, 48)).tobytes())
    return encoder.finish()


def other_size() -> bytes:
    manifest = MANIFEST.model_copy(update={"width": 32, "height": 32})
    return segment_bytes(segments_of(manifest, [draw(number, (32, 32)) for number in range(4)], [0])[0])


def reordered() -> bytes:
    """Return a segment whose packets are swapped: B-frames would change the headers as well."""
    segment = segments_of(MANIFEST, [draw(number, (64, 48)) for number in range(4)], [0])[0]
    out = io.BytesIO()
    with av.open(io.BytesIO(segment_bytes(segment))) as source, av.open(out, "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        packets = [packet for packet in source.demux(video=0) if packet.size]
        stamps = [packet.pts for packet in packets if packet.pts is not None]
        for packet, stamp in zip(packets, [stamps[index] for index in (0, 2, 1, 3)], strict=True):
            packet.stream = stream
            assert packet.dts is not None
            packet.pts, packet.dts = stamp, packet.dts - stamps[1]
            target.mux(packet)
    return out.getvalue()


DAMAGE = {
    "reordered": (lambda data: reordered(), "has frames out of order"),
    "empty": (lambda data: b"", "not a readable MP4"),
    "garbage": (lambda data: b"garbage" * 99, "not a readable MP4"),
    "cut off": (lambda data: data[: len(data) // 2], "batch 4"),
    "header hit": (lambda data: flipped(data, 0.01), "batch 4"),
    "other settings": (lambda data: other_settings(), "SPS/PPS differ"),
    "other size": (lambda data: other_size(), "batch 4"),
}


@pytest.mark.parametrize(("damage", "problem"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_segment_is_named(tmp_path: Path, segments: list[Segment], damage, problem: str) -> None:
    bad = dataclasses.replace(segments[1], data=damage(segments[1].data))
    with pytest.raises(DamagedError, match=problem) as caught:
        join(MANIFEST, [segments[0], bad, segments[2]], audio=None, out=tmp_path / "out.mp4")
    assert "batch 4" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("frames", [3, 5])
def test_segment_with_wrong_frame_count_is_rejected(segments: list[Segment], index: int, frames: int) -> None:
    wrong = [*segments]
    wrong[index] = dataclasses.replace(wrong[index], frames=frames)
    with pytest.raises(DamagedError):
        join(MANIFEST, wrong, audio=None, out=io.BytesIO())


def test_segments_with_wrong_frame_size_are_rejected(segments: list[Segment]) -> None:
    with pytest.raises(DamagedError, match="64x48, not 66x48"):
        join(MANIFEST.model_copy(update={"width": 66}), segments, audio=None, out=io.BytesIO())


def test_padded_segments_are_accepted(tmp_path: Path) -> None:
    manifest = Manifest.plain(4, Fraction(25), width=35, height=27)
    padded = segments_of(manifest, [draw(number, (35, 27)) for number in range(4)], [0, 2], odd_size="pad")
    join(manifest, padded, audio=None, out=tmp_path / "out.mp4")
    assert read_video(tmp_path / "out.mp4").size == (36, 28)


def test_scaled_segments_are_joined_only_at_their_scale(tmp_path: Path) -> None:
    large = Manifest.plain(4, Fraction(25), width=70, height=54)
    segments = segments_of(large, [draw(number, (70, 54)) for number in range(4)], [0, 2])
    manifest = large.model_copy(update={"width": 35, "height": 27})
    join(manifest, segments, audio=None, out=tmp_path / "out.mp4", scale=2)
    assert read_video(tmp_path / "out.mp4").size == (70, 54)
    for scale, expected in ((1, "35x27"), (3, "105x81")):
        with pytest.raises(DamagedError, match=f"70x54, not {expected}"):
            join(manifest, segments, audio=None, out=io.BytesIO(), scale=scale)


def test_missing_or_repeated_batch_is_rejected(segments: list[Segment]) -> None:
    for wrong in (segments[:2], [*segments, segments[0]]):
        with pytest.raises(DamagedError, match="the manifest has 12"):
            join(MANIFEST, wrong, audio=None, out=io.BytesIO())
    with pytest.raises(MissingError, match="no segments"):
        join(MANIFEST, [], audio=None, out=io.BytesIO())


def test_error_writes_no_index(segments: list[Segment]) -> None:
    out = io.BytesIO()
    with pytest.raises(DamagedError):
        join(MANIFEST, segments[:2], audio=None, out=out)
    assert b"moov" not in out.getvalue()
    with pytest.raises(av.FFmpegError):
        av.open(io.BytesIO(out.getvalue()))


def test_error_of_segment_iterator_propagates(segments: list[Segment]) -> None:
    class GoneError(Exception):
        pass

    def failing():
        yield segments[0]
        raise GoneError

    with pytest.raises(GoneError):
        join(MANIFEST, failing(), audio=None, out=io.BytesIO())


def test_segments_are_consumed_lazily(segments: list[Segment], tmp_path: Path) -> None:
    consumed = []

    def lazily():
        for segment in segments:
            consumed.append(segment.name)
            yield dataclasses.replace(segment, data=io.BytesIO(segment_bytes(segment)))

    class Watched(io.BytesIO):
        def write(self, data, /):
            if self.tell() > 20_000 and not early:
                early.extend(consumed)
            return super().write(data)

    early: list[str] = []
    join(MANIFEST, lazily(), audio=None, out=Watched())
    assert consumed == ["batch 0", "batch 4", "batch 8"]
    assert len(early) < len(consumed), "the first segments are written before the last one is fetched"
    report = join(MANIFEST, lazily(), audio=None, out=tmp_path / "out.mp4")
    assert report.seconds == Fraction(12, 25)
    assert [read_number(image) for image in read_video(tmp_path / "out.mp4").images] == list(range(COUNT))


def test_audio_without_manifest_is_copied(segments: list[Segment], tmp_path: Path) -> None:
    source = make_clip(tmp_path / "any.mp4", Clip(audio=(Tone(language="deu"), Tone())))
    report = join(MANIFEST, segments, audio=source, out=tmp_path / "out.mp4")
    assert report.tracks == 2
    assert read_video(tmp_path / "out.mp4").audio == read_video(source).audio


def test_audio_that_differs_from_manifest_is_rejected(segments: list[Segment], tmp_path: Path) -> None:
    source = make_clip(tmp_path / "any.mp4", Clip(audio=(Tone(), Tone())))
    track = AudioTrack(codec="aac", sample_rate=48_000, channels=1, start=Fraction(0), packets=48)
    manifest = MANIFEST.model_copy(update={"audio_file": "audio.mp4", "audio": (track,)})
    with pytest.raises(DamagedError, match="2 tracks; the manifest names 1"):
        join(manifest, segments, audio=source, out=io.BytesIO())
    with pytest.raises(MissingError, match=r"audio\.mp4"):
        join(manifest, segments, audio=None, out=io.BytesIO())
    with pytest.raises(DamagedError, match="Split the video again"):
        join(manifest, segments, audio=io.BytesIO(b"noise" * 500), out=io.BytesIO())


def test_audio_starts_at_manifest_time(segments: list[Segment], tmp_path: Path) -> None:
    """A split shifts negative timestamps and records that in the manifest; the audio file keeps its own times."""
    source = make_clip(tmp_path / "any.mp4", Clip(audio=(Tone(),)))
    (before,) = read_video(source).audio
    moved = before[0][0] + Fraction(1, 4)
    track = AudioTrack(codec="aac", sample_rate=48_000, channels=1, start=moved, packets=len(before))
    manifest = MANIFEST.model_copy(update={"audio_file": "audio.mp4", "audio": (track,)})
    join(manifest, segments, audio=source, out=tmp_path / "out.mp4")
    (after,) = read_video(tmp_path / "out.mp4").audio
    assert after == [(time + Fraction(1, 4), data) for time, data in before]


def test_index_precedes_data(segments: list[Segment], tmp_path: Path) -> None:
    join(MANIFEST, segments, audio=None, out=tmp_path / "out.mp4")
    data = (tmp_path / "out.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
