"""`split` is all or nothing, leaves a complete folder unchanged, and notes losses."""

import io
import os
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.version import IMPASTO_VERSION
from frame_tools.media.split import split
from frame_tools.media.video_limits import VideoLimits
from tests.support.clips import Clip, Tone, make_clip, read_number
from tests.support.media import frame_images, to_seconds

LONG = Clip(frames=100, size=(320, 240), audio=(Tone(seconds=4),))


def numbers(folder: Path, manifest: Manifest) -> list[int]:
    return [read_number(image) for image in frame_images(folder, manifest)]


def files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_split_writes_frames_audio_and_manifest(tmp_path: Path) -> None:
    counts: list[int] = []
    video = make_clip(tmp_path / "Mein Video; rm -rf.mp4", Clip(frames=3, audio=(Tone(),)))
    manifest = split(video, tmp_path / "out", progress=counts.append)
    assert set(files(tmp_path / "out")) == {
        "frames/000001.jpg",
        "frames/000002.jpg",
        "frames/000003.jpg",
        "audio.mp4",
        "manifest.json",
    }
    assert Manifest.parse_input((tmp_path / "out" / "manifest.json").read_bytes()) == manifest
    assert manifest.source == "Mein Video; rm -rf.mp4"
    assert counts == [1, 2, 3]


def test_png_frames_are_written(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "v.mp4", Clip(frames=2))
    manifest = split(video, tmp_path / "out", SplitOptions(image_format="png"))
    assert manifest.frame_name(1) == "000002.png"
    with Image.open(tmp_path / "out" / "frames" / "000002.png") as image:
        assert image.format == "PNG"
    assert numbers(tmp_path / "out", manifest) == [0, 1]


@pytest.mark.parametrize("writer", [b'"impasto_version": "0.0.9"', b'"version": 4'], ids=["another", "unknown"])
def test_folder_of_another_version_is_split_again(tmp_path: Path, writer: bytes) -> None:
    """Another version may have kept less of the video."""
    video, out = make_clip(tmp_path / "v.mp4"), tmp_path / "out"
    split(video, out)
    manifest = out / "manifest.json"
    own = f'"impasto_version": "{IMPASTO_VERSION}"'.encode()
    older = (
        manifest.read_bytes().replace(own, writer).replace(b'"version": 4,', b"", 1 if b'"version"' in writer else 0)
    )
    assert own not in older
    manifest.write_bytes(older)
    (out / "frames/000001.jpg").write_bytes(b"of the earlier version")
    split(video, out)
    assert own in manifest.read_bytes()
    assert (out / "frames/000001.jpg").read_bytes() != b"of the earlier version"


def test_folder_of_another_video_is_split_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    split(make_clip(tmp_path / "a.mp4", Clip(frames=9, audio=(Tone(),))), out)
    manifest = split(make_clip(tmp_path / "b.mp4", Clip(frames=4)), out)
    assert (manifest.source, manifest.frame_count, manifest.audio) == ("b.mp4", 4, ())
    assert sorted(path.name for path in out.rglob("*.*")) == [
        *(f"{number:06d}.jpg" for number in range(1, 5)),
        "manifest.json",
    ]


def test_complete_folder_is_left_unchanged(tmp_path: Path) -> None:
    video, out = make_clip(tmp_path / "v.mp4", Clip(audio=(Tone(),))), tmp_path / "out"
    first = split(video, out)
    before = files(out)
    assert split(video, out) == first
    assert files(out) == before


@pytest.mark.parametrize("missing", ["frames/000003.jpg", "audio.mp4", "manifest.json"])
def test_incomplete_folder_is_completed(tmp_path: Path, missing: str) -> None:
    video, out = make_clip(tmp_path / "v.mp4", Clip(audio=(Tone(),))), tmp_path / "out"
    first = split(video, out)
    (out / missing).unlink()
    (out / "frames" / ".000004.jpg.part").write_bytes(b"half")
    assert split(video, out) == first
    assert set(files(out)) == {f"frames/{n:06d}.jpg" for n in range(1, 11)} | {"audio.mp4", "manifest.json"}


def test_another_video_or_format_replaces_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    split(make_clip(tmp_path / "long.mp4", Clip(frames=9, audio=(Tone(),))), out)
    short = make_clip(tmp_path / "short.mp4", Clip(frames=2))
    split(short, out)
    assert set(files(out)) == {"frames/000001.jpg", "frames/000002.jpg", "manifest.json"}
    split(short, out, SplitOptions(image_format="png"))
    assert set(files(out)) == {"frames/000001.png", "frames/000002.png", "manifest.json"}


def test_unknown_files_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "out" / "frames").mkdir(parents=True)
    (tmp_path / "out" / "frames" / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"holiday\.jpg"):
        split(make_clip(tmp_path / "v.mp4"), tmp_path / "out")
    assert files(tmp_path / "out").keys() == {"frames/holiday.jpg"}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_truncated_video_is_rejected(tmp_path: Path, suffix: str) -> None:
    clip = Clip(frames=100, size=(320, 240), audio=(Tone(seconds=4, codec="mp3"),))
    data = make_clip(tmp_path / f"v{suffix}", clip).read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(InputError, match=f"cut{suffix} is damaged after frame") as caught:
        split(tmp_path / f"cut{suffix}", tmp_path / "out")
    assert " s" in caught.value.what
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_damage_is_rejected_with_its_time(tmp_path: Path) -> None:
    data = bytearray(make_clip(tmp_path / "v.mp4", LONG).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(byte ^ 0x5A for byte in data[middle : middle + 2000])
    (tmp_path / "hit.mp4").write_bytes(data)
    with pytest.raises(InputError, match=r"hit\.mp4 is damaged after frame \d+, at about [12]\.\d s"):
        split(tmp_path / "hit.mp4", tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    "data", [b"", b"not a video" * 100, PLAYLIST, b"ffconcat version 1.0\nfile /etc/hostname\n"], ids=range(4)
)
def test_file_that_is_not_a_video_is_rejected(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.mp4").write_bytes(data)
    with pytest.raises(InputError, match=r"v\.mp4 can't be read as a video"):
        split(tmp_path / "v.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_file_raises_missing_error(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="nothing"):
        split(tmp_path / "nothing.mp4", tmp_path / "out")


def test_audio_only_file_is_rejected(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as output:
        stream = output.add_stream("aac", rate=48_000)
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = 48_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(InputError, match="has no video stream"):
        split(tmp_path / "song.mp4", tmp_path / "out")


@pytest.mark.parametrize(
    ("clip", "suffix", "note"),
    [
        (Clip(pix_fmt="yuv420p10le"), ".mp4", "The color depth was reduced from 10 to 8 bits per channel"),
        (Clip(codec="png", pix_fmt="rgba"), ".mov", "Transparent parts were laid on white"),
    ],
)
def test_losses_are_noted(tmp_path: Path, clip: Clip, suffix: str, note: str) -> None:
    manifest = split(make_clip(tmp_path / f"v{suffix}", clip), tmp_path / "out")
    assert manifest.notes == (note,)
    assert numbers(tmp_path / "out", manifest) == list(range(10))


def test_frames_before_the_edit_list_are_skipped(tmp_path: Path) -> None:
    manifest = split(make_clip(tmp_path / "v.mp4", Clip(pts=range(-3, 7))), tmp_path / "out")
    assert numbers(tmp_path / "out", manifest) == [3, 4, 5, 6, 7, 8, 9]


def test_manifest_of_a_phone_video(tmp_path: Path) -> None:
    clip = Clip(rotation=90, sample_aspect=Fraction(4, 3), audio=(Tone(language="deu", start=Fraction(1, 2)),))
    manifest = split(make_clip(tmp_path / "v.mp4", clip), tmp_path / "out")
    assert (manifest.width, manifest.height, manifest.rotation) == (64, 48, 90)
    assert manifest.sample_aspect == Fraction(4, 3)
    (track,) = manifest.audio
    assert (track.codec, track.sample_rate, track.channels, track.language) == ("aac", 48_000, 1, "deu")
    assert float(track.start) == pytest.approx(0.5 - 1024 / 48_000, abs=1e-3)


def test_untagged_colors_depend_on_frame_size(tmp_path: Path) -> None:
    """The same YCbCr values mean different colors in SD and HD."""
    means = []
    for name, height in (("sd", 480), ("hd", 720)):
        with av.open(str(tmp_path / f"{name}.mkv"), "w") as output:
            stream = output.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, height, "yuv444p"
            frame = av.VideoFrame(64, height, "yuv444p")
            for plane, value in zip(frame.planes, (120, 90, 200), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            output.mux([*stream.encode(frame), *stream.encode(None)])
        split(tmp_path / f"{name}.mkv", tmp_path / name, SplitOptions(image_format="png"))
        with Image.open(tmp_path / name / "frames" / "000001.png") as image:
            means.append(image.getpixel((9, 9)))
    # By ITU-R BT.601 and BT.709, limited range.
    assert means[0] == pytest.approx((236, 77, 44), abs=1)
    assert means[1] == pytest.approx((250, 91, 41), abs=1)


def test_audio_of_unknown_length_is_extracted(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "v.ts", Clip(audio=(Tone(),)))
    manifest = split(video, tmp_path / "out")
    with av.open(io.BytesIO((tmp_path / "out" / "audio.mp4").read_bytes())) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    assert len(packets) == manifest.audio[0].packets
    assert to_seconds(packets[0].pts, packets[0].time_base) == pytest.approx(float(manifest.audio[0].start), abs=1e-4)


@pytest.mark.parametrize("source", ["/dev/zero", "pipe", "folder"])
def test_source_without_an_end_is_rejected(tmp_path: Path, source: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="not a regular file"):
        split(tmp_path / source, tmp_path / "out")


def test_limits_are_checked_before_frames_are_written(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "v.mp4", Clip(frames=5, size=(64, 48)))
    assert split(video, tmp_path / "fits", limits=VideoLimits(frames=5, pixels=64 * 48)).frame_count == 5
    with pytest.raises(InputError, match="64x48"):
        split(video, tmp_path / "size", limits=VideoLimits(pixels=64 * 48 - 1))
    with pytest.raises(InputError, match="more than 4 frames"):
        split(video, tmp_path / "count", limits=VideoLimits(frames=4))
    assert not (tmp_path / "size").exists()


def test_sound_with_centuries_of_silence_is_rejected(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "v.mkv", Clip(frames=3))
    with av.open(str(video)) as source, av.open(str(tmp_path / "gap.mkv"), "w") as target:
        picture = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("pcm_s16le", rate=8000, layout="mono")
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = picture
                target.mux(packet)
        for seconds in (0, 10**6):
            frame = av.AudioFrame(format="s16", layout="mono", samples=800)
            frame.sample_rate, frame.time_base, frame.pts = 8000, Fraction(1, 8000), seconds * 8000
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    with pytest.raises(InputError, match="hours"):
        split(tmp_path / "gap.mkv", tmp_path / "out")
