"""Small image files whose numbers ask for gigabytes."""

import io
import struct
import zlib

from PIL import Image


def png_header(width: int, height: int) -> bytes:
    """Return a PNG file without pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(*part) for part in ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b""))
    )


def png_with_inflating_text() -> bytes:
    """Return a PNG file whose compressed texts are a thousand times larger, 60 MB each."""
    text = b"prompt\0\0" + zlib.compress(bytes(60 * 2**20), 9)
    data = png_header(64, 48)
    return data[:33] + _chunk(b"zTXt", text) * 8 + data[33:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def webp_header(width: int, height: int) -> bytes:
    """Return a WebP file with a canvas and no picture; opening it allocates two canvases."""
    canvas = struct.pack("<I", (width - 1) & 0xFFFFFF)[:3] + struct.pack("<I", (height - 1) & 0xFFFFFF)[:3]
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def plain_webp(width: int, height: int) -> bytes:
    """Return a transparent WebP file of one color: a kilobyte, and 30 bytes of memory for each pixel."""
    out = io.BytesIO()
    Image.new("RGBA", (width, height), (90, 60, 30, 128)).save(out, "WEBP", quality=10, method=0)
    return out.getvalue()


def overlapping_tiff(tags: int = 4000, size: int = 2**20) -> bytes:
    """Return a TIFF file whose tags all have the same megabyte as their value."""
    needed = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((256, 64), (257, 48))]
    overlapping = [struct.pack("<HHII", 1000 + tag, 1, size - 8, 8) for tag in range(tags - len(needed))]
    directory = struct.pack("<H", tags) + b"".join(needed + overlapping) + bytes(4)
    return b"II*\0" + struct.pack("<I", size) + bytes(size - 8) + directory


def tiff_with_directory_last(size: tuple[int, int], *, orientation: int = 1, is_big: bool = False) -> bytes:
    """Return a black TIFF file without compression, whose directory follows the pixels."""
    width, height = size
    begin = struct.pack("<2s3HQ", b"II", 43, 8, 0, 0) if is_big else struct.pack("<2sHI", b"II", 42, 0)
    entry = "<HHQQ" if is_big else "<HHII"
    pixels = bytes(3 * width * height)
    values = {
        256: width,
        257: height,
        259: 1,  # no compression
        262: 2,  # RGB
        273: len(begin),
        274: orientation,
        277: 3,
        278: height,
        279: len(pixels),
    }
    tags = b"".join(struct.pack(entry, tag, 4, 1, value) for tag, value in values.items())
    directory = struct.pack("<Q" if is_big else "<H", len(values)) + tags + bytes(8)
    start = struct.pack("<Q" if is_big else "<I", len(begin) + len(pixels))
    return begin[: -len(start)] + start + pixels + directory
