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


def split_with(path: Path, choice: DamageChoice) -> tuple[Manifest, list[int]]:
    folder = path.parent / "out"
    manifest = split(path, folder, SplitOptions(damaged=choice))
    return manifest, [read_number(image) for image in frame_images(folder, manifest)]


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
    with pytest.raises(InputError, match=r"v\.ts is damaged after frame 1[78]") as caught:
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
