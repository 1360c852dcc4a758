"""Subtitles, chapters and tags arrive where the container holds them; the rest is named in a note."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.packet import Packet
from av.stream import Stream

from frame_tools.contracts.choices import ContainerChoice
from frame_tools.contracts.split_options import SplitOptions
from tests.support.clips import Clip, Tone, make_clip
from tests.support.media import join_split, read_video, to_seconds

SUBTITLES = [(Fraction(1, 10), Fraction(1, 5), "Hello"), (Fraction(3, 10), Fraction(1, 10), "World")]
TAGS = {"title": "My film", "artist": "Me", "comment": "holiday", "date": "2024", "location": "+12.3-045.6/"}


def make_film(path: Path, *, offset: Fraction = Fraction(0), extras: bool = True) -> Path:
    """Write a Matroska file with sound, subtitles, two chapters, tags and an attachment."""
    plain = make_clip(path.with_name("plain.mkv"), Clip(audio=(Tone(seconds=0.4),), b_frames=0))
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        targets = {stream.index: output.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        text = output.add_mux_stream("subrip")
        text.metadata.update({"language": "fra", "title": "Sous-titres"})
        if extras:
            output.add_attachment("font.ttf", "font/ttf", b"a font")
        output.metadata.update(TAGS)
        output.set_chapters(
            [
                {"id": number, "start": start + round(offset * 1000), "end": start + 200 + round(offset * 1000),
                 "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                for number, (start, title) in enumerate([(0, "One"), (200, "Two")])
            ]
        )  # fmt: skip
        packets = [packet for packet in source.demux() if packet.size]
        for packet in packets:
            packet.stream = targets[packet.stream.index]
            assert packet.pts is not None
            assert packet.time_base is not None
            packet.pts = packet.dts = packet.pts + round(offset / packet.time_base)
        for start, duration, line in SUBTITLES:
            packet = av.Packet(line.encode())
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = round((start + offset) * 1000)
            packet.duration = round(duration * 1000)
            packets.append(packet)
        for packet in sorted(packets, key=lambda packet: to_seconds(packet.dts, packet.time_base)):
            output.mux(packet)
    return path


def read_subtitles(path: Path) -> list[tuple[float, float, str]]:
    subtitles = []
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        for packet in container.demux(stream):
            for subtitle in packet.decode() if packet.size else []:
                if line := subtitle.dialogue.decode():
                    start = to_seconds(packet.pts, packet.time_base)
                    duration = to_seconds(packet.duration, packet.time_base)
                    subtitles.append((float(start), float(duration), line))
    return subtitles


@pytest.mark.parametrize("offset", [Fraction(0), Fraction(3600)])
@pytest.mark.parametrize(("container", "codec"), [("mp4", "mov_text"), ("mov", "mov_text"), ("mkv", "subrip")])
def test_subtitles_chapters_and_tags_arrive(
    tmp_path: Path, container: ContainerChoice, codec: str, offset: Fraction
) -> None:
    source = make_film(tmp_path / "source.mkv", offset=offset)
    trip = join_split(source, tmp_path, options=SplitOptions(container=container))
    expected = [(float(start), float(duration), line) for start, duration, line in SUBTITLES]
    subtitles = [(round(start, 3), round(duration, 3), line) for start, duration, line in read_subtitles(trip.result)]
    assert subtitles == expected
    with av.open(str(trip.result)) as result:
        (stream,) = result.streams.subtitles
        assert stream.codec_context.codec.canonical_name == codec
        assert stream.language == "fra" or container == "mkv"
        chapters = [
            (float(to_seconds(chapter["start"], chapter["time_base"])),
             float(to_seconds(chapter["end"], chapter["time_base"])), chapter["metadata"]["title"])
            for chapter in result.chapters()
        ]  # fmt: skip
        tags = {name.lower(): text for name, text in result.metadata.items()}
    assert chapters == [(0.0, 0.2, "One"), (0.2, 0.4, "Two")]
    assert {name: tags.get(name) for name in TAGS} == TAGS | {"location": None}
    assert read_video(trip.result).times == [Fraction(number, 25) for number in range(10)]
    (note,) = trip.manifest.notes
    assert "attachments" in note


def test_subtitles_without_sound_arrive(tmp_path: Path) -> None:
    source = make_film(tmp_path / "source.mkv", extras=False)
    trip = join_split(source, tmp_path, options=SplitOptions(sound="drop"))
    assert (trip.report.tracks, trip.manifest.audio_file) == (0, "audio.mp4")
    assert [line for _, _, line in read_subtitles(trip.result)] == ["Hello", "World"]


def test_timed_text_of_mp4_becomes_subrip_in_matroska(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    film = join_split(make_film(tmp_path / "source.mkv", extras=False), tmp_path / "first").result
    trip = join_split(film, tmp_path, options=SplitOptions(container="mkv"))
    assert [line for _, _, line in read_subtitles(trip.result)] == ["Hello", "World"]
    assert trip.manifest.subtitles[0].codec == "subrip"
    assert trip.manifest.notes == ()


def test_unsupported_subtitles_are_noted(tmp_path: Path) -> None:
    source = tmp_path / "source.mkv"
    plain = make_clip(tmp_path / "plain.mkv", Clip(b_frames=0))
    with av.open(str(plain)) as clip, av.open(str(source), "w") as output:
        target = output.add_stream_from_template(clip.streams.video[0], opaque=True)
        pictures = output.add_mux_stream("dvd_subtitle")
        pictures.metadata["language"] = "deu"
        for packet in clip.demux():
            if packet.size:
                packet.stream = target
                output.mux(packet)
        picture = av.Packet(b"a picture")
        picture.stream, picture.time_base, picture.pts, picture.dts = pictures, Fraction(1, 1000), 100, 100
        output.mux(picture)
    expected: dict[ContainerChoice, int] = {"mp4": 1, "mkv": 0}
    for container, notes in expected.items():
        folder = tmp_path / container
        folder.mkdir()
        trip = join_split(source, folder, options=SplitOptions(container=container))
        assert len(trip.manifest.notes) == notes
        assert all("dvd_subtitle" in note for note in trip.manifest.notes)


@pytest.mark.parametrize("place", ["container", "stream"])
def test_timecode_in_a_header_is_noted(tmp_path: Path, place: str) -> None:
    source = make_clip(tmp_path / "plain.mkv")
    with av.open(str(source)) as plain, av.open(str(tmp_path / "v.mkv"), "w") as output:
        stream = output.add_stream_from_template(plain.streams.video[0])
        (stream if place == "stream" else output).metadata["TIMECODE"] = "10:00:00:00"
        for packet in plain.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    notes = join_split(tmp_path / "v.mkv", tmp_path).manifest.notes
    assert sum("timecode" in note for note in notes) == 1


def test_many_tracks_that_are_left_out_do_not_end_the_split(tmp_path: Path) -> None:
    """Films on discs have dozens of subtitle tracks, each of which is a note."""
    source = make_clip(tmp_path / "plain.mkv")
    with av.open(str(source)) as plain, av.open(str(tmp_path / "v.mkv"), "w") as output:
        stream = output.add_stream_from_template(plain.streams.video[0])
        subtitles = [output.add_mux_stream("dvd_subtitle") for _ in range(60)]
        for track in subtitles:
            track.metadata["language"] = "x" * 600
        packets = [packet for packet in plain.demux(video=0) if packet.size]
        for packet in packets:
            packet.stream = stream
            output.mux(packet)
        for track in subtitles:
            picture: Packet[Stream] = Packet(bytes(20))
            picture.stream, picture.time_base, picture.pts, picture.dts = track, Fraction(1, 1000), 400, 400
            output.mux(picture)
    notes = join_split(tmp_path / "v.mkv", tmp_path).manifest.notes
    assert len(notes) == 50
    assert notes[0].startswith("Left out the subtitles")
    assert notes[-1].startswith("11 ")
