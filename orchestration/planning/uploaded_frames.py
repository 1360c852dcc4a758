"""The frames that a user uploaded: their list, and a manifest for frames without one."""

from typing import NamedTuple

from frame_tools.contracts.choices import MAX_FRAME_BYTES
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import Request
from frame_tools.media.image_header import SeekableFile, read_header_of_file
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import pin_of
from orchestration.planning.frame_sequence import number_frames


class ListedFrame(NamedTuple):
    """Size in bytes and pin of a blob in the folder of the frames."""

    size: int
    pin: str


def image_size(file: SeekableFile, file_bytes: int, what: str) -> tuple[int, int]:
    """Return width and height of an image in pixels, from its header. Raises InputError that names it as `what`."""
    try:
        return read_header_of_file(file, file_bytes).size
    except InputError as error:
        raise InputError(f"The {what} is invalid: {error.what}", error.remedy) from error


def list_frames(storage: Storage, folder: str, max_frames: int) -> dict[str, ListedFrame]:
    """Return the blobs directly in the folder by file name. Raises InputError if there are clearly too many."""
    listed: dict[str, ListedFrame] = {}
    for item in storage.input.list(folder):
        name = item.name.removeprefix(folder)
        if "/" not in name:
            listed[name] = ListedFrame(item.size, pin_of(item))
            if len(listed) > max_frames + 1000:
                raise InputError(
                    f"There are more than {max_frames} frames", "Cut the video into parts, or raise MAX_FRAMES"
                )
        if item.size > MAX_FRAME_BYTES:
            raise InputError(
                f"The frame {name!r} has {item.size} bytes; at most {MAX_FRAME_BYTES} are allowed",
                "Store frames as 8-bit images, for example PNG",
            )
    return listed


def derive_manifest(storage: Storage, request: Request, folder: str, sizes: dict[str, int]) -> Manifest:
    """Return a manifest for frames without one: numbering from their names, size of the first, rate of the trigger."""
    numbering = number_frames(sizes)
    if request.trigger.rate is None:
        raise InputError(
            "There is no manifest.json beside the frames and the trigger file has no rate",
            'Add the frame rate to the trigger file, for example "rate": "30000/1001", or split with frame_tools',
        )
    first = numbering.pattern.format(numbering.first)
    width, height = image_size(storage.input.open(folder + first), sizes[first], f"frame {first!r}")
    return Manifest.plain(
        numbering.count,
        request.trigger.rate,
        width=width,
        height=height,
        image_format=numbering.image_format,
        pattern=numbering.pattern,
        first_number=numbering.first,
        source=request.name,
    )
