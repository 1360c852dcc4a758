"""Every sound arrives: copied where common players decode it, converted elsewhere, and said."""

from pathlib import Path

import av
import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.split_options import SplitOptions
from tests.support.clips import Clip, Tone, make_clip
from tests.support.media import join_split, read_sound, read_video, to_seconds

LOSSLESS = {
    "stereo PCM without a layout in AVI": (".avi", Tone(codec="pcm_s16le", layout="stereo")),
    "stereo PCM without a layout in Matroska": (".mkv", Tone(codec="pcm_s16le", layout="stereo")),
    "PCM of 8 bits": (".avi", Tone(codec="pcm_u8", sample_rate=11_025)),
    "PCM of 24 bits": (".mov", Tone(codec="pcm_s24le", sample_format="s32", layout="stereo")),
    "PCM as floating point": (".mov", Tone(codec="pcm_f32le", sample_format="flt", layout="stereo")),
    "surround PCM": (".mov", Tone(codec="pcm_s24le", sample_format="s32", layout="5.1")),
    "surround from the side": (".mkv", Tone(codec="pcm_s16le", layout="5.1(side)")),
    "mu-law of a camera": (".mov", Tone(codec="pcm_mulaw", sample_rate=8000)),
}
LOSSY = {
    "Windows media": (".wmv", Tone(codec="wmav2", bit_rate=128_000, layout="stereo")),
    "ADPCM": (".avi", Tone(codec="adpcm_ms", sample_rate=22_050)),
    "Nellymoser": (".flv", Tone(codec="nellymoser", sample_rate=22_050)),
}
COPIED = {
    "AAC": (".mov", "aac", "mp4"),
    "AC-3": (".ts", "ac3", "mp4"),
    "E-AC-3": (".ts", "eac3", "mp4"),
    "MP3": (".avi", "mp3", "mp4"),
    "ALAC": (".mov", "alac", "mp4"),
    "FLAC": (".mkv", "flac", "mp4"),
    "Opus": (".mkv", "libopus", "mp4"),
    "MP2": (".ts", "mp2", "mkv"),
}
VIDEO_CODECS = {".wmv": "wmv2", ".flv": "flv"}


def clip_with(suffix: str, *tones: Tone) -> Clip:
    if codec := VIDEO_CODECS.get(suffix):
        return Clip(codec=codec, pix_fmt="yuv420p", b_frames=0, audio=tones)
    return Clip(audio=tones, b_frames=0)


def codecs_of(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.codec_context.codec.canonical_name for stream in container.streams.audio]


@pytest.mark.parametrize(("suffix", "tone"), LOSSLESS.values(), ids=LOSSLESS.keys())
def test_lossless_sound_is_converted_without_loss(tmp_path: Path, suffix: str, tone: Tone) -> None:
    source = make_clip(tmp_path / f"source{suffix}", clip_with(suffix, tone))
    trip = join_split(source, tmp_path)
    assert (trip.manifest.container, codecs_of(trip.result)) == ("mp4", ["alac"])
    before, after = read_sound(source), read_sound(trip.result)
    # ALAC has 24 bits.
    tolerance = 2**-22 if tone.codec == "pcm_f32le" else 0
    assert after.samples == pytest.approx(before.samples, abs=tolerance)
    assert after.start == 0
    assert tone.codec.removeprefix("lib") in trip.manifest.notes[0]


@pytest.mark.parametrize(("suffix", "tone"), LOSSY.values(), ids=LOSSY.keys())
def test_other_sound_is_converted_to_aac(tmp_path: Path, suffix: str, tone: Tone) -> None:
    source = make_clip(tmp_path / f"source{suffix}", clip_with(suffix, tone))
    trip = join_split(source, tmp_path)
    assert (trip.manifest.container, codecs_of(trip.result)) == ("mp4", ["aac"])
    after = read_sound(trip.result).samples
    assert sum(map(abs, after)) / len(after) > 0.1
    assert len(after) / tone.sample_rate == pytest.approx(1, abs=0.1)
    assert tone.codec in trip.manifest.notes[0]


@pytest.mark.parametrize(("suffix", "codec", "container"), COPIED.values(), ids=COPIED.keys())
def test_sound_that_players_decode_is_copied(tmp_path: Path, suffix: str, codec: str, container: str) -> None:
    tone = Tone(
        codec=codec, sample_format="s16p" if codec == "alac" else "s16" if codec in ("flac", "libopus") else None
    )
    source = make_clip(tmp_path / f"source{suffix}", clip_with(suffix, tone))
    trip = join_split(source, tmp_path)
    assert (trip.manifest.container, codecs_of(trip.result)) == (container, codecs_of(source))
    assert trip.manifest.notes == ()
    copied = [data for _, data in read_video(trip.result).audio[0]]
    assert copied == [data for _, data in read_video(source).audio[0]][-len(copied) :]
    assert len(copied) >= len(read_video(source).audio[0]) - 1


@pytest.mark.parametrize(
    ("codec", "options", "expected"),
    [
        ("mp2", SplitOptions(container="mp4"), ("mp4", ["aac"])),
        ("mp2", SplitOptions(sound="convert"), ("mp4", ["aac"])),
        ("mp2", SplitOptions(sound="drop"), ("mp4", [])),
        ("mp2", SplitOptions(container="mkv"), ("mkv", ["mp2"])),
        ("pcm_s16le", SplitOptions(container="mkv"), ("mkv", ["pcm_s16le"])),
        ("pcm_s16le", SplitOptions(container="mov"), ("mov", ["alac"])),
        ("flac", SplitOptions(container="mov"), ("mov", ["alac"])),
        ("ac3", SplitOptions(sound="convert"), ("mp4", ["aac"])),
        ("aac", SplitOptions(sound="convert"), ("mp4", ["aac"])),
        ("aac", SplitOptions(container="mov"), ("mov", ["aac"])),
    ],
)
def test_options_decide(tmp_path: Path, codec: str, options: SplitOptions, expected: tuple[str, list[str]]) -> None:
    tone = Tone(codec=codec, sample_format="s16" if codec == "flac" else None)
    source = make_clip(tmp_path / "source.mkv", clip_with(".mkv", tone))
    trip = join_split(source, tmp_path, options=options)
    assert (trip.manifest.container, codecs_of(trip.result)) == expected
    with av.open(str(trip.result)) as container:
        assert container.format.name.startswith("matroska" if expected[0] == "mkv" else "mov")


def test_default_track_titles_and_languages_survive(tmp_path: Path) -> None:
    default, comment = av.stream.Disposition.default, av.stream.Disposition.comment
    tones = (
        Tone(language="deu", title="Deutsch"),
        Tone(language="fra", title="Français", dispositions=default),
        Tone(language="eng", title="Director's commentary", dispositions=comment),
    )
    for choice in ("mp4", "mkv"):
        folder = tmp_path / choice
        folder.mkdir()
        source = make_clip(folder / "source.mkv", clip_with(".mkv", *tones))
        trip = join_split(source, folder, options=SplitOptions(container=choice))
        with av.open(str(trip.result)) as container:
            streams = container.streams.audio
            assert [stream.language for stream in streams] == ["deu", "fra", "eng"] if choice == "mp4" else True
            labels = ["handler_name" if choice == "mp4" else "title"] * 3
            titles = [stream.metadata.get(label) for stream, label in zip(streams, labels, strict=True)]
            assert titles == [tone.title for tone in tones]
            assert [bool(stream.disposition & default) for stream in streams] == [False, True, False]
            assert [bool(stream.disposition & comment) for stream in streams] == [False, False, True]


def test_sound_is_checked_before_frames_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_clip(tmp_path / "source.mkv", clip_with(".mkv", Tone(codec="mp2")))
    monkeypatch.setattr("frame_tools.media.audio_plan._is_supported", lambda conversion: False)
    with pytest.raises(InputError, match="mp2"):
        join_split(source, tmp_path, options=SplitOptions(container="mp4"))
    assert not (tmp_path / "split").exists()


def test_gap_in_converted_sound_becomes_silence(tmp_path: Path) -> None:
    tones = Tone(codec="pcm_s16le", clicks=(0.1, 0.5, 0.7))
    source = make_clip(tmp_path / "whole.mkv", clip_with(".mkv", tones))
    gapped = tmp_path / "source.mkv"
    with av.open(str(source)) as whole, av.open(str(gapped), "w") as output:
        targets = {stream.index: output.add_stream_from_template(stream, opaque=True) for stream in whole.streams}
        for packet in whole.demux():
            if packet.size == 0 or (
                packet.stream.type == "audio" and 0.2 < to_seconds(packet.pts, packet.time_base) < 0.6
            ):
                continue
            packet.stream = targets[packet.stream.index]
            output.mux(packet)
    trip = join_split(gapped, tmp_path)
    sound = read_sound(trip.result)
    assert sound.clicks() == pytest.approx([0.1, 0.7], abs=0.002)
    assert len(sound.samples) == pytest.approx(48_000, abs=100)


@pytest.mark.parametrize(("suffix", "codec"), [(".avi", "adpcm_ms"), (".mkv", "pcm_s16le")])
def test_equal_sounds_give_equal_bytes(tmp_path: Path, suffix: str, codec: str) -> None:
    source = make_clip(tmp_path / f"source{suffix}", clip_with(suffix, Tone(codec=codec)))
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
        join_split(source, folder)
    assert len({(folder / "split" / "audio.mp4").read_bytes() for folder in folders}) == 1
    assert len({(folder / "result.mp4").read_bytes() for folder in folders}) == 1
