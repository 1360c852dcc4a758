"""What frames are there: a listing of image files becomes a name pattern and a count, or a complaint that names one.

Pure: names and sizes in, pattern out. Files that are no images (markers, thumbs.db) are passed over; an image that
does not belong is not, because a video with one frame too many or too few plays out of step with its sound.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest

_IMAGE = re.compile(r"^(?P<stem>[^/]*?)(?P<digits>\d{1,9})(?P<end>\.(?:jpe?g|png))$", re.IGNORECASE)
_ANY_IMAGE = re.compile(r"\.(?:jpe?g|png)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """Frames `pattern.format(first)` to `pattern.format(first + count - 1)`."""

    pattern: str
    first: int
    count: int
    image_format: Literal["jpg", "png"]


def check_against_manifest(sizes: Mapping[str, int], manifest: Manifest) -> None:
    """Raise InputError unless exactly the manifest's frames are there; `sizes` maps file names to bytes."""
    images = {name for name in sizes if _ANY_IMAGE.search(name)}
    wanted = [manifest.frame_name(i) for i in range(manifest.frame_count)]
    if gone := [name for name in wanted if name not in images]:
        raise _gap(gone, manifest.frame_count)
    if extra := sorted(images.difference(wanted)):
        raise InputError(
            f"There are {len(extra)} images that the manifest does not know, the first is {extra[0]!r}",
            "Remove them, or split the video anew",
        )
    _none_empty(sizes, wanted)


def number_frames(sizes: Mapping[str, int]) -> Numbering:
    """Find the numbering of frames that came without a manifest; raises InputError for gaps and strangers."""
    images = [name for name in sizes if _ANY_IMAGE.search(name)]
    if not images:
        raise InputError(
            "There are no frames", "Upload numbered images (000001.jpg, 000002.jpg, …) before the trigger file"
        )
    matches = {name: _IMAGE.match(name) for name in images}
    if strange := [name for name, match in matches.items() if match is None]:
        raise InputError(f"The image {strange[0]!r} has no number at its end", "Name frames 000001.jpg, 000002.jpg, …")
    parts = {name: (m["stem"], int(m["digits"]), m["end"], m["digits"]) for name, m in matches.items() if m}
    kinds = sorted({(stem, end) for stem, _, end, _ in parts.values()})
    if len(kinds) > 1:
        one, two = (f"{stem}…{end}" for stem, end in kinds[:2])
        raise InputError(f"There are frames of two kinds, {one!r} and {two!r}", "Keep one kind in the folder")
    stem, end = kinds[0]
    numbers = sorted(number for _, number, _, _ in parts.values())
    pattern = _pattern(stem, end, [digits for *_, digits in parts.values()])
    first, count = numbers[0], numbers[-1] - numbers[0] + 1
    wanted = [pattern.format(n) for n in range(first, first + min(count, len(numbers) + 1))]
    if gone := [name for name in wanted if name not in sizes]:
        raise _gap(gone, count)
    if twice := sorted(set(images).difference(wanted)):
        raise InputError(f"The image {twice[0]!r} has the same number as another", "Keep one of the two")
    _none_empty(sizes, wanted)
    return Numbering(pattern=pattern, first=first, count=count, image_format="png" if end.lower() == ".png" else "jpg")


def _pattern(stem: str, end: str, digits: list[str]) -> str:
    padded = any(text.startswith("0") and len(text) > 1 for text in digits)
    width = min(len(text) for text in digits) if padded else 0
    if "{" in stem or "}" in stem:
        raise InputError(f"The frames' name {stem!r} holds a brace", "Name frames 000001.jpg, 000002.jpg, …")
    return f"{stem}{{:{f'0{width}' if width else ''}d}}{end}"


def _gap(gone: list[str], count: int) -> InputError:
    return InputError(
        f"Of {count} frames {len(gone)} or more are missing, the first is {gone[0]!r}",
        "Upload the missing frames, then put the trigger file again",
    )


def _none_empty(sizes: Mapping[str, int], wanted: list[str]) -> None:
    if empty := [name for name in wanted if sizes[name] == 0]:
        raise InputError(f"The frame {empty[0]!r} has no bytes", "Upload it again, then put the trigger file again")
