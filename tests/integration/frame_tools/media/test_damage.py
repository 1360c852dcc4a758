"""Damaged and cut-off videos: what is kept, what is refused, and what is said."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops

from frame_tools.contracts.choices import DamageChoice
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media.split import split
from tests.support.clips import Clip, Tone, draw, make_clip, read_number
from tests.support.media import frame_images

PACKET = 188
KEEP = SplitOptions(damaged="keep")
FRAMES = 48
FRAGMENTED = {"movflags": "empty_moov+default_base_moof", "frag_duration": "2000000"}


def write_noisy_video(path: Path) -> None:
    """Write groups of 12 frames, in which noise makes each frame take many packets of a transport stream."""
    noise = Image.effect_noise((320, 240), 24).convert("RGB")
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"crf": "20", "preset": "ultrafast", "bf": "0", "g": "12", "slices": "1"}
        for number in range(FRAMES):
            moved = ImageChops.offset(noise, 37 * number, 53 * number)
            frame = av.VideoFrame.from_image(Image.blend(draw(number, (320, 240)), moved, 0.2))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def transport_stream(path: Path, damage_frames: tuple[int, ...]) -> Path:
    """Make a recording in which the second half of each of these frames was lost."""
    write_noisy_video(path)
    with av.open(str(path)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    data = bytearray(path.read_bytes())
    bounds = [*positions, len(data)]
    for frame in reversed(damage_frames):
        lost = positions[frame] + (bounds[frame + 1] - positions[frame]) // 2 // PACKET * PACKET
        del data[lost : bounds[frame + 1]]
    path.write_bytes(data)
    return path


def number_or_none(image: Image.Image) -> int | None:
    """Read a frame's number; None if it is smeared, as those that refer to a damaged one are."""
    try:
        return read_number(image)
    except AssertionError:
        return None


def split_with(path: Path, choice: DamageChoice) -> tuple[Manifest, list[int | None]]:
    folder = path.parent / "out"
    manifest = split(path, folder, SplitOptions(damaged=choice))
    return manifest, [number_or_none(image) for image in frame_images(folder, manifest)]


@pytest.mark.parametrize("choice", ["auto", "keep"])
@pytest.mark.parametrize("frame", [5, 40, 47])
def test_damaged_ends_of_recordings_are_kept(tmp_path: Path, choice: DamageChoice, frame: int) -> None:
    manifest, numbers = split_with(transport_stream(tmp_path / "v.ts", (frame,)), choice)
    assert manifest.frame_count == len(numbers) == FRAMES
    assert numbers[frame] == frame - 1
    assert numbers[:frame] == list(range(frame))
    assert any(note.startswith("1 frames were damaged") for note in manifest.notes)
    times = [pts * manifest.time_base for pts in manifest.frame_pts]
    assert len({later - earlier for earlier, later in pairwise(times)}) == 1


@pytest.mark.parametrize("choice", ["auto", "refuse"])
def test_damage_in_the_middle_is_refused_by_name(tmp_path: Path, choice: DamageChoice) -> None:
    with pytest.raises(InputError, match=r"v\.ts is damaged after frame 1[678]") as caught:
        split_with(transport_stream(tmp_path / "v.ts", (18,)), choice)
    assert "--damaged keep" in caught.value.remedy


def test_damaged_ends_are_refused_on_request(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"v\.ts is damaged"):
        split_with(transport_stream(tmp_path / "v.ts", (5,)), "refuse")


def test_damage_in_the_middle_is_kept_on_request(tmp_path: Path) -> None:
    manifest, numbers = split_with(transport_stream(tmp_path / "v.ts", (18, 30)), "keep")
    assert manifest.frame_count == FRAMES
    assert (numbers[18], numbers[30]) == (17, 29)
    assert any(note.startswith("2 frames were damaged") for note in manifest.notes)


def with_lost_frames(path: Path, frames: tuple[int, ...]) -> Path:
    """Make a recording from which all packets of these frames were lost."""
    write_noisy_video(path)
    with av.open(str(path)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    data = bytearray(path.read_bytes())
    bounds = [*positions, len(data)]
    for frame in reversed(frames):
        del data[bounds[frame] : bounds[frame + 1]]
    path.write_bytes(data)
    return path


def test_lost_frames_in_the_middle_are_refused_and_noted(tmp_path: Path) -> None:
    """The decoder shows the frames after them with errors, and says nothing."""
    path = with_lost_frames(tmp_path / "v.ts", (17, 18, 29))
    with pytest.raises(InputError, match="packets are missing"):
        split_with(path, "auto")
    manifest, numbers = split_with(path, "keep")
    assert manifest.frame_count == FRAMES - 3
    assert numbers[:17] == list(range(17))
    assert any("missing in 2 places" in note for note in manifest.notes)


@pytest.mark.parametrize("choice", ["auto", "keep"])
@pytest.mark.parametrize("frame", [6, 11, 42])
def test_lost_frames_at_the_ends_are_kept(tmp_path: Path, choice: DamageChoice, frame: int) -> None:
    manifest, _ = split_with(with_lost_frames(tmp_path / "v.ts", (frame,)), choice)
    assert manifest.frame_count == FRAMES - 1


def test_recordings_with_the_same_clock_that_were_appended_are_intact(tmp_path: Path) -> None:
    """Packet counters begin anew at each, which is no loss."""
    write_noisy_video(tmp_path / "a.ts")
    recorded = (tmp_path / "a.ts").read_bytes()
    (tmp_path / "v.ts").write_bytes(recorded + recorded)
    manifest, _ = split_with(tmp_path / "v.ts", "refuse")
    assert manifest.frame_count == 2 * FRAMES


def write_hevc(path: Path) -> None:
    """Write 60 frames in groups of 20, each frame referring to the one before."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.options = {"x265-params": "log-level=none:info=0:keyint=20:min-keyint=20:scenecut=0:bframes=0:ref=1"}
        for number in range(60):
            frame = av.VideoFrame.from_image(draw(number, (64, 48)))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def drop_packets(source: Path, target: Path, dropped: range) -> None:
    with av.open(str(source)) as video, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(video.streams.video[0])
        for number, packet in enumerate(video.demux(video=0)):
            if packet.size and number not in dropped:
                packet.stream = stream
                output.mux(packet)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_frames_that_refer_to_missing_ones_are_not_lost_silently(tmp_path: Path, suffix: str) -> None:
    """FFmpeg's HEVC decoder leaves them out without an error."""
    write_hevc(tmp_path / "whole.mkv")
    drop_packets(tmp_path / "whole.mkv", tmp_path / f"v{suffix}", range(25, 27))
    with pytest.raises(InputError, match="refer to missing"):
        split_with(tmp_path / f"v{suffix}", "refuse")
    manifest, numbers = split_with(tmp_path / f"v{suffix}", "keep")
    assert numbers == [*range(25), *range(40, 60)]
    assert any(note.startswith("13 frames could not be decoded") for note in manifest.notes)


@pytest.mark.parametrize("choice", ["auto", "keep", "refuse"])
def test_concealed_damage_is_found(tmp_path: Path, choice: DamageChoice) -> None:
    """Data of a frame was overwritten, which the decoder conceals; nothing is missing from the file."""
    path = tmp_path / "v.ts"
    write_noisy_video(path)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    position = packets[40][0]
    assert position is not None
    for start in range(position + 8 * PACKET, position + 12 * PACKET, PACKET):
        data[start + 20 : start + PACKET] = bytes(PACKET - 20)
    path.write_bytes(data)
    if choice == "refuse":
        with pytest.raises(InputError, match="is damaged"):
            split_with(path, choice)
        return
    manifest, numbers = split_with(path, choice)
    assert numbers[40] == 39
    assert any(note.startswith("1 frames were damaged") for note in manifest.notes)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_cut_off_file_gives_frames_that_are_there(tmp_path: Path, suffix: str) -> None:
    options = FRAGMENTED if suffix == ".mp4" else {}
    clip = Clip(frames=96, size=(320, 240), b_frames=0, audio=(Tone(seconds=4, codec="mp3"),), muxer_options=options)
    path = make_clip(tmp_path / f"v{suffix}", clip)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match="is damaged") as caught:
        split_with(path, "auto")
    assert "--damaged keep" in caught.value.remedy
    manifest, numbers = split_with(path, "keep")
    assert 40 < manifest.frame_count < 96
    assert numbers[:-1] == list(range(manifest.frame_count - 1))
    assert any("cut off" in note or "damaged" in note for note in manifest.notes)
    assert manifest.audio_file is not None
