"""HEIC pictures for tests: one HEVC frame in the boxes of ISO/IEC 23008-12, as cameras write them."""

import io
import struct
from collections.abc import Sequence

import av
from av.video.stream import VideoStream
from PIL import Image

ROTATED_LEFT = 1
"""A quarter turn counterclockwise, for `encode_heic`."""


def encode_heic(
    image: Image.Image,
    *,
    rotation: int = 0,
    crop: tuple[int, int] | None = None,
    unused: Sequence[tuple[int, int]] = (),
    unused_rotation: int = 0,
) -> bytes:
    """Encode an RGB image with even sides; viewers turn it by `rotation` quarter turns counterclockwise.

    `crop` is the size of the middle part that they show. `unused` are sizes, and `unused_rotation` is a rotation, of
    properties that no item has.
    """
    configuration, sample = _encode_hevc(image)
    properties = [
        _box(b"hvcC", configuration),
        _full_box(b"ispe", struct.pack(">2I", *image.size)),
        *([_box(b"clap", struct.pack(">8I", crop[0], 1, crop[1], 1, 0, 1, 0, 1))] if crop else []),
        *([_box(b"irot", bytes([rotation]))] if rotation else []),
    ]
    others = [
        *(_full_box(b"ispe", struct.pack(">2I", *size)) for size in unused),
        *([_box(b"irot", bytes([unused_rotation]))] if unused_rotation else []),
    ]
    associations = bytes([len(properties), *(0x80 | number for number in range(1, len(properties) + 1))])
    ftyp = _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")

    def meta(offset: int) -> bytes:
        return _full_box(
            b"meta",
            _full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            _full_box(b"pitm", struct.pack(">H", 1)),
            _full_box(b"iloc", struct.pack(">2B4H2I", 0x44, 0, 1, 1, 0, 1, offset, len(sample))),
            _full_box(
                b"iinf", struct.pack(">H", 1), _full_box(b"infe", struct.pack(">2H", 1, 0) + b"hvc1\0", version=2)
            ),
            _box(
                b"iprp",
                _box(b"ipco", *properties, *others),
                _full_box(b"ipma", struct.pack(">IH", 1, 1) + associations),
            ),
        )

    begin = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(begin) + _box(b"mdat", sample)


def _encode_hevc(image: Image.Image) -> tuple[bytes, bytes]:
    """Return the decoder's configuration (hvcC) and one frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("libx265", rate=1, options={"x265-params": "log-level=none:info=0:qp=8"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = image.width, image.height, "yuv444p"
        stream.codec_context.codec_tag = "hvc1"
        packets = stream.encode(av.VideoFrame.from_image(image)) + stream.encode(None)
        for packet in packets:
            packet.pts = packet.dts = 0  # the encoder leaves the times of a single frame unset
        output.mux(packets)
    file.seek(0)
    with av.open(file) as source:
        extradata = source.streams.video[0].codec_context.extradata
        sample = next(bytes(packet) for packet in source.demux(video=0) if packet.size)
    assert extradata is not None
    return extradata, sample


def _full_box(kind: bytes, *content: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]), *content)


def _box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data
