"""The manifest: what it says survives JSON, what nobody should write is refused in words."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.choices import ImageFormat
from frame_tools.contracts.errors import DamagedError, ExitCode, InputError
from frame_tools.contracts.manifest import MAX_JSON_BYTES, Manifest
from frame_tools.contracts.media_description import AudioTrack, Color
from frame_tools.contracts.media_values import MAX_FRAMES

TRACK = AudioTrack(codec="aac", sample_rate=48_000, channels=2, start=Fraction(-8, 375), packets=48, language="deu")
FULL = Manifest(
    source="Kätzchen am Fenster.mp4",
    frame_count=3,
    width=640,
    height=361,
    sample_aspect=Fraction(128, 117),
    rotation=90,
    time_base=Fraction(1, 90_000),
    first_pts=5,
    pts=(5, 16_610, 19_609),
    last_duration=2999,
    rate=Fraction(90_000, 2999),
    color=Color(primaries=1, transfer=1, matrix=1, range="limited"),
    audio_file="audio.mp4",
    audio=(TRACK,),
    title="Ein Titel",
    creation_time="2020-01-02T03:04:05Z",
    place="+12.3-045.6/",
    notes=("The transparency was dropped",),
)


def changed(**fields: object) -> bytes:
    return json.dumps({**json.loads(FULL.dumps()), **fields}).encode()


def test_manifest_round_trips() -> None:
    assert Manifest.parse_input(FULL.dumps()) == FULL
    assert json.loads(FULL.dumps())["time_base"] == "1/90000"


@given(
    count=st.integers(1, 10**6),
    rate=st.fractions(min_value=Fraction(1, 1000), max_value=1000, max_denominator=30_000),
    first=st.integers(0, 2**40),
    step=st.integers(1, 10**6),
)
def test_constant_times_are_a_range(count: int, rate: Fraction, first: int, step: int) -> None:
    plain = Manifest.plain(count, rate, width=16, height=16)
    manifest = plain.model_copy(update={"first_pts": first, "pts_step": step, "last_duration": step})
    pts = Manifest.parse_input(manifest.dumps()).frame_pts
    assert len(pts) == count
    assert (pts[0], pts[-1]) == (first, first + (count - 1) * step)
    assert manifest.duration == count * step / rate


def test_duration_counts_gaps_and_the_last_frame() -> None:
    assert FULL.duration == Fraction(19_609 - 5 + 2999, 90_000)


def test_frame_names_follow_ffmpeg() -> None:
    assert [FULL.frame_name(index) for index in range(3)] == ["000001.jpg", "000002.jpg", "000003.jpg"]
    with pytest.raises(IndexError):
        FULL.frame_name(3)
    named = Manifest.plain(2, Fraction(25), width=2, height=2, pattern="Bild {:d} von.allen.png", image_format="png")
    assert named.frame_name(1) == "Bild 2 von.allen.png"


@pytest.mark.parametrize(
    ("pattern", "image_format", "painted"),
    [
        ("{:06d}.jpg", "jpg", "000001.jpg"),
        ("Shot {:d}.JPEG", "jpg", "Shot 1.JPEG"),
        ("{:d}.PNG", "png", "1.PNG"),
        ("{:04d}.tif", "png", "0001.png"),
        ("take.v2_{:d}.webp", "png", "take.v2_1.png"),
        ("IMG ({:d}).HEIC", "jpg", "IMG (1).jpg"),
        ("{:d}.jpg", "png", "1.png"),
    ],
)
def test_painted_frames_have_the_suffix_of_their_format(pattern: str, image_format: ImageFormat, painted: str) -> None:
    manifest = Manifest.plain(1, Fraction(25), width=2, height=2, pattern=pattern, image_format=image_format)
    assert manifest.painted_name(0) == painted


def test_plain_manifest_has_constant_rate() -> None:
    manifest = Manifest.plain(4, Fraction(30_000, 1001), width=35, height=27)
    assert [pts * manifest.time_base for pts in manifest.frame_pts] == [n * Fraction(1001, 30_000) for n in range(4)]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"frame_count": -3}, "frame_count"),
        ({"frame_count": 10**6 + 1}, "frame_count"),
        ({"frame_count": 2}, "pts has 3 entries for 2 frames"),
        ({"frame_count": "3"}, "frame_count"),
        ({"width": 0}, "width"),
        ({"height": 16_385}, "height"),
        ({"time_base": "1/0"}, "the denominator is zero"),
        ({"time_base": "-1/25"}, "must be over zero"),
        ({"rate": "99999999999/1"}, "rate"),
        ({"rate": 25}, 'must be text like "30000/1001"'),
        ({"sample_aspect": "0/1"}, "must be over zero"),
        ({"pts": [5, 7, 7]}, "pts does not increase strictly"),
        ({"pts": [0, 7, 9]}, "first_pts is not the first of pts"),
        ({"pts": [5, 7, 2**60]}, "pts"),
        ({"pts": [-5, 7, 9], "first_pts": -5}, "first_pts"),
        ({"pts_step": 1}, "give either pts_step or pts"),
        ({"rotation": 45}, "rotation"),
        ({"pattern": "../{:06d}.jpg"}, "pattern"),
        ({"pattern": "{0.__class__}"}, "pattern"),
        ({"pattern": "{:099999999d}.jpg"}, "pattern"),
        ({"pattern": "frame.jpg"}, "pattern"),
        ({"title": "a\nb"}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"audio": []}, "audio_file and audio go together"),
        ({"audio_file": "../../etc/passwd"}, "audio_file"),
        ({"version": 5}, "version"),
        ({"hue": {}}, "hue"),
        ({"color": {"range": "partial"}}, "color.range"),
    ],
)
def test_invalid_manifest_values_are_rejected(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        Manifest.parse_input(changed(**fields))
    assert complaint in str(caught.value)
    assert "Split the video again" in caught.value.remedy
    assert caught.value.exit_code is ExitCode.INPUT
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff\xfe", b"{", b"[" * 100_000, b"null"])
def test_invalid_manifest_is_rejected(data: bytes) -> None:
    with pytest.raises(InputError):
        Manifest.parse_input(data)


def test_oversized_manifest_is_not_parsed() -> None:
    with pytest.raises(InputError, match=str(MAX_JSON_BYTES)):
        Manifest.parse_input(b" " * (MAX_JSON_BYTES + 1))


@pytest.mark.parametrize("rate", [Fraction(0), Fraction(-25), Fraction(2**31)])
def test_plain_manifest_rejects_impossible_rates(rate: Fraction) -> None:
    with pytest.raises(InputError):
        Manifest.plain(1, rate, width=2, height=2)


@pytest.mark.parametrize(
    "data",
    [
        b'{"pts":[' + b"0," * 3_000_000 + b"0]}",
        b'{"pts":[' + b"{}," * 20_000 + b"0]}",
        b'{"pts":[' + b"[]," * 20_000 + b"0]}",
        b"{" + b",".join(b'"%d":1' % key for key in range(100_000)) + b"}",
    ],
    ids=["numbers", "objects", "lists", "fields"],
)
def test_manifest_with_too_many_values_is_not_parsed(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object) -> None:
        pytest.fail("the manifest was parsed")

    monkeypatch.setattr(Manifest, "model_validate_json", parse)
    for read, error in ((Manifest.parse_input, InputError), (Manifest.load_stored, DamagedError)):
        with pytest.raises(error):
            read(data)


def test_longest_manifest_is_read() -> None:
    stamps = range(0, 3 * MAX_FRAMES, 3)
    data = changed(frame_count=MAX_FRAMES, first_pts=0, pts=list(stamps), cuts=list(range(1, MAX_FRAMES)))
    assert Manifest.parse_input(data).frame_pts == tuple(stamps)
