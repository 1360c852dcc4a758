"""Cropping, Dolby Vision and encryption are read from the header of the right track."""

from pathlib import Path

import av
import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.media.split import split
from frame_tools.media.track_headers import TrackHeader, read_track_header
from tests.support.clips import Clip, make_clip
from tests.support.media import frame_images
from tests.support.mp4_edits import box
from tests.support.track_header_edits import (
    MATROSKA_LIVE,
    MP4_INDEX_LAST,
    add_to_matroska_tracks,
    add_to_sample_entry,
    clean_aperture,
    crop_matroska,
    element,
)

DOLBY_PROFILES = {
    "5": (5, 0, False),
    "8.1": (8, 1, True),
    "8.4": (8, 4, True),
    "7": (7, 6, True),
    "10.0": (10, 0, False),
}


def dolby_record(profile: int, compatibility: int) -> bytes:
    return bytes([1, 0, profile << 1, 0x2D, compatibility << 4]) + bytes(19)


def header_of(path: Path) -> TrackHeader:
    with av.open(str(path)) as container:
        return read_track_header(path, container, container.streams.video[0])


def test_plain_files_have_no_fields(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mov", ".mkv", ".ts", ".avi"):
        assert header_of(make_clip(tmp_path / f"v{suffix}")) == TrackHeader()


def test_matroska_crop_is_applied(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mkv", Clip(muxer_options=MATROSKA_LIVE))
    cropped = make_clip(tmp_path / "v.mkv", Clip(muxer_options=MATROSKA_LIVE))
    crop_matroska(cropped, {"left": 16, "top": 12, "bottom": 4})
    expected = frame_images(tmp_path / "a", split(whole, tmp_path / "a"))[0].crop((16, 12, 64, 44))
    manifest = split(cropped, tmp_path / "b")
    assert (manifest.width, manifest.height, manifest.frame_count) == (48, 32, 10)
    assert brightness(frame_images(tmp_path / "b", manifest)[0]) == pytest.approx(brightness(expected), abs=1)


def test_clean_aperture_is_read(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "v.mov", Clip(rotation=90, muxer_options=MP4_INDEX_LAST))
    add_to_sample_entry(path, clean_aperture(40, 60, 2, 0))
    assert header_of(path).crop == (6, 2, 46, 62)


@pytest.mark.parametrize("aperture", [clean_aperture(0, 10, 0, 0), clean_aperture(640, 48, 0, 0), b"clap"])
def test_impossible_aperture_is_ignored(tmp_path: Path, aperture: bytes) -> None:
    path = make_clip(tmp_path / "v.mov", Clip(muxer_options=MP4_INDEX_LAST))
    add_to_sample_entry(path, aperture if len(aperture) > 4 else box(aperture, b"short"))
    assert header_of(path).crop is None


@pytest.mark.parametrize(("profile", "compatibility", "is_plain"), DOLBY_PROFILES.values(), ids=DOLBY_PROFILES.keys())
def test_dolby_vision_profile_is_read(tmp_path: Path, profile: int, compatibility: int, is_plain: bool) -> None:
    mp4 = make_clip(tmp_path / "v.mp4", Clip(frames=2, muxer_options=MP4_INDEX_LAST))
    add_to_sample_entry(mp4, box(b"dvcC" if profile < 8 else b"dvvC", dolby_record(profile, compatibility)))
    mkv = make_clip(tmp_path / "v.mkv", Clip(frames=2, muxer_options=MATROSKA_LIVE))
    mapping = element(0x41E7, b"dvcC" if profile < 8 else b"dvvC") + element(
        0x41ED, dolby_record(profile, compatibility)
    )
    add_to_matroska_tracks(mkv, track=element(0x41E4, mapping))
    for file in (mp4, mkv):
        assert (header_of(file).dolby_profile, header_of(file).has_plain_base) == (profile, is_plain)
    if is_plain:  # untagged; the record says what the base layer is
        manifest = split(mp4, tmp_path / "out")
        assert manifest.frame_count == 2
        assert any(("HLG" if compatibility == 4 else "PQ") in note for note in manifest.notes)
        assert manifest.color.transfer == 1
    else:
        with pytest.raises(InputError, match=f"Dolby Vision of profile {profile}"):
            split(mp4, tmp_path / "out")


def test_encrypted_video_is_called_encrypted(tmp_path: Path) -> None:
    encryption = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    path = make_clip(tmp_path / "film.mp4", Clip(muxer_options=encryption))
    with pytest.raises(InputError, match=r"film\.mp4 is encrypted \(DRM\)"):
        split(path, tmp_path / "out")


def brightness(image):
    return sum(image.convert("L").histogram()[level] * level for level in range(256)) / (image.width * image.height)
