"""Frame numbering: detected from names, or compared with the manifest."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.choices import ImageFormat
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from orchestration.planning.frame_sequence import Numbering, check_against_manifest, number_frames


def sizes(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 100)


@pytest.mark.parametrize(
    ("names", "pattern", "first", "count"),
    [
        (["000001.jpg", "000002.jpg"], "{:06d}.jpg", 1, 2),
        (["7.png"], "{:d}.png", 7, 1),
        (["0.jpg", "1.jpg"], "{:d}.jpg", 0, 2),
        ([f"{n}.jpg" for n in range(8, 12)], "{:d}.jpg", 8, 4),
        ([f"f{n:03d}.jpg" for n in range(998, 1002)], "f{:d}.jpg", 998, 4),
        ([f"f{n:03d}.jpg" for n in range(98, 1002)], "f{:03d}.jpg", 98, 904),
        (["my clip v1.2 (b)_01.JPG", "my clip v1.2 (b)_02.JPG"], "my clip v1.2 (b)_{:02d}.JPG", 1, 2),
        (["größe 1.jpeg", "größe 2.jpeg"], "größe {:d}.jpeg", 1, 2),
        (["frame (1).jpg", "frame (2).jpg"], "frame ({:d}).jpg", 1, 2),
        (["1.PNG", "._1.PNG", "2.PNG", "._2.PNG"], "{:d}.PNG", 1, 2),
        (["001.tif", "._001.tif", "002.tif"], "{:03d}.tif", 1, 2),
        (["render (1).TIFF", "render (2).TIFF"], "render ({:d}).TIFF", 1, 2),
        (["IMG_0007.HEIC", "IMG_0008.HEIC"], "IMG_{:04d}.HEIC", 7, 2),
        (["1.webp"], "{:d}.webp", 1, 1),
        (["1.avif"], "{:d}.avif", 1, 1),
        (["1.bmp"], "{:d}.bmp", 1, 1),
        (["00001.jpg", "Thumbs.db", ".DS_Store", "frames.txt", "00002.jpg", ".tmp"], "{:05d}.jpg", 1, 2),
    ],
)
def test_number_frames(names: list[str], pattern: str, first: int, count: int) -> None:
    image_format: ImageFormat = "jpg" if pattern.lower().endswith(("jpg", "jpeg")) else "png"
    assert number_frames(sizes(*names)) == Numbering(
        pattern=pattern, first=first, count=count, image_format=image_format
    )


@pytest.mark.parametrize(
    ("names", "word"),
    [
        ([], "no frames"),
        ([".tmp", "readme.txt"], "no frames"),
        (["001.exr", "002.exr"], "001.exr"),
        (["001.gif"], "001.gif"),
        (["000001.tif", "000002.tiff"], "two kinds"),
        (["000001.jpg", "000003.jpg"], "000002.jpg"),
        (["1.jpg", "999999999.jpg"], "2.jpg"),
        (["000001.jpg", "000002.png"], "two kinds"),
        (["000001.jpg", "000002.JPG"], "two kinds"),
        (["a1.jpg", "b2.jpg"], "two kinds"),
        (["cover.jpg", "000001.jpg"], "cover.jpg"),
        (["1.jpg", "01.jpg"], "01.jpg"),
        (["01.jpg", "2.jpg"], "1.jpg"),
        (["{0.__class__}1.jpg"], "brace"),
    ],
)
def test_number_frames_rejects_invalid_sequences(names: list[str], word: str) -> None:
    with pytest.raises(InputError) as raised:
        number_frames(sizes(*names))
    assert word in raised.value.what
    assert raised.value.remedy


def test_number_frames_rejects_empty_frame() -> None:
    with pytest.raises(InputError, match=r"'2\.jpg'"):
        number_frames({"1.jpg": 5, "2.jpg": 0, "notes.txt": 0})


@given(
    stem=st.text("ab -_.()é", max_size=6).filter(lambda stem: not stem.startswith("._")),  # attributes of macOS
    width=st.integers(0, 8),
    first=st.integers(0, 2000),
    count=st.integers(1, 150),
    data=st.data(),
)
def test_number_frames_in_any_order(stem: str, width: int, first: int, count: int, data: st.DataObject) -> None:
    names = [f"{stem}{number:0{width}d}.jpg" for number in range(first, first + count)]
    found = number_frames(sizes(*data.draw(st.permutations(names))))
    assert [found.pattern.format(found.first + i) for i in range(found.count)] == names


@given(count=st.integers(2, 60), width=st.integers(0, 5), data=st.data())
def test_number_frames_names_any_gap(count: int, width: int, data: st.DataObject) -> None:
    names = [f"{number:0{width}d}.jpg" for number in range(1, count + 2)]
    gone = names.pop(data.draw(st.integers(1, count - 1)))
    with pytest.raises(InputError, match="missing") as raised:
        number_frames(sizes(*names))
    assert repr(gone) in raised.value.what


MANIFEST = Manifest.plain(3, Fraction(25), width=4, height=4)


def test_frames_must_match_manifest() -> None:
    names = [MANIFEST.frame_name(i) for i in range(3)]
    check_against_manifest(sizes(*names, "notes.txt"), MANIFEST)
    for wrong, word in (
        (sizes(*names[:2]), names[2]),
        (sizes(*names[1:]), names[0]),
        (sizes(*names, "000004.jpg"), "000004.jpg"),
        (sizes(*names, "cover.png"), "cover.png"),
        ({**sizes(*names), names[1]: 0}, names[1]),
        ({}, names[0]),
    ):
        with pytest.raises(InputError, match=word):
            check_against_manifest(wrong, MANIFEST)
