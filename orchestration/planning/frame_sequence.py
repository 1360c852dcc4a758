"""Validation of frame numbering: a listing of images becomes a name pattern and a count, or an error naming a file.

Pure functions of file names and sizes. Files that are not images (markers, thumbs.db) are ignored. An image that does
not belong to the sequence is an error, because one frame too many or too few puts the video out of sync with its audio.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from frame_tools.contracts.choices import ImageFormat
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.image_files import is_image_name, painted_format
from frame_tools.contracts.manifest import Manifest

_NUMBERED_IMAGE = re.compile(r"^(?P<stem>[^/]*?)(?P<digits>\d{1,9})(?P<end>\)?\.[^./]+)$")
# macOS stores the attributes of a file beside it, under the same name after "._".
_ATTRIBUTES_BEGIN = "._"
_OTHER_IMAGE = re.compile(r"^(?!\._).*\.(?:exr|dpx|tga|gif|cr2|dng|jp2|jxl)$", re.IGNORECASE)
_CONVERT = "Convert them to PNG (ffmpeg -i %06d.exr %06d.png), then upload them again"
_NAMING = "Name frames 000001.jpg, 000002.jpg, …"


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """Frames `pattern.format(first)` to `pattern.format(first + count - 1)`."""

    pattern: str
    first: int
    count: int
    image_format: ImageFormat


def check_against_manifest(sizes: Mapping[str, int], manifest: Manifest) -> None:
    """Raise InputError unless exactly the manifest's frames exist; `sizes` maps file names to bytes."""
    images = set(_images(sizes))
    expected = [manifest.frame_name(i) for i in range(manifest.frame_count)]
    if missing := [name for name in expected if name not in images]:
        raise _gap(missing, manifest.frame_count)
    if extra := sorted(images.difference(expected)):
        raise InputError(
            f"There are {len(extra)} images that are not in the manifest, the first is {extra[0]!r}",
            "Delete them, or split the video again",
        )
    _check_not_empty(sizes, expected)


def number_frames(sizes: Mapping[str, int]) -> Numbering:
    """Detect the numbering of frames without a manifest. Raises InputError for gaps and images outside the sequence."""
    images = _images(sizes)
    if not images and (others := sorted(name for name in sizes if _OTHER_IMAGE.search(name))):
        raise InputError(f"Frames like {others[0]!r} are not read", _CONVERT)
    if not images:
        raise InputError(
            "There are no frames", "Upload numbered images (000001.jpg, 000002.jpg, …) before the trigger file"
        )
    stem, end, digits = _split_names(images)
    numbers = sorted(map(int, digits))
    pattern = _pattern(stem, end, digits)
    first, count = numbers[0], numbers[-1] - numbers[0] + 1
    expected = [pattern.format(n) for n in range(first, first + min(count, len(numbers) + 1))]
    if missing := [name for name in expected if name not in sizes]:
        raise _gap(missing, count)
    if duplicates := sorted(set(images).difference(expected)):
        raise InputError(f"The image {duplicates[0]!r} has the same number as another image", "Keep one of the two")
    _check_not_empty(sizes, expected)
    return Numbering(pattern=pattern, first=first, count=count, image_format=painted_format(expected[0]))


def _images(names: Iterable[str]) -> list[str]:
    """Return the names of images."""
    return [name for name in names if is_image_name(name) and not name.startswith(_ATTRIBUTES_BEGIN)]


def _split_names(images: list[str]) -> tuple[str, str, list[str]]:
    """Return the stem and suffix that all images share, and the digits of each. Raises InputError if they differ."""
    matches = {name: _NUMBERED_IMAGE.match(name) for name in images}
    if unnumbered := [name for name, match in matches.items() if match is None]:
        raise InputError(f"The name of the image {unnumbered[0]!r} does not end in a number", _NAMING)
    parts = [(match["stem"], match["end"], match["digits"]) for match in matches.values() if match]
    kinds = sorted({(stem, end) for stem, end, _ in parts})
    if len(kinds) > 1:
        first, second = (f"{stem}…{end}" for stem, end in kinds[:2])
        raise InputError(f"There are frames of two kinds, {first!r} and {second!r}", "Keep one kind in the folder")
    stem, end = kinds[0]
    return stem, end, [digits for _, _, digits in parts]


def _pattern(stem: str, end: str, digits: list[str]) -> str:
    is_padded = any(text.startswith("0") and len(text) > 1 for text in digits)
    width = min(len(text) for text in digits) if is_padded else 0
    if "{" in stem or "}" in stem:
        raise InputError(f"The frame name {stem!r} contains a brace", _NAMING)
    return f"{stem}{{:{f'0{width}' if width else ''}d}}{end}"


def _gap(missing: list[str], count: int) -> InputError:
    return InputError(
        f"At least {len(missing)} of {count} frames are missing, the first is {missing[0]!r}",
        "Upload the missing frames, then upload the trigger file again",
    )


def _check_not_empty(sizes: Mapping[str, int], names: list[str]) -> None:
    if empty := [name for name in names if sizes[name] == 0]:
        raise InputError(f"The frame {empty[0]!r} is empty", "Upload it again, then upload the trigger file again")
