"""Interlaced test videos: a bar that moves between the two fields of each frame."""

from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageDraw

SIZE = (96, 64)
FRAMES = 12
H264 = ("libx264", {"crf": "4", "preset": "ultrafast", "x264opts": "tff=1", "bf": "0"})
MPEG2 = ("mpeg2video", {"b": "8M", "bf": "0"})
ENCODINGS = {
    "AVCHD": (".mts", *H264),
    "MP4": (".mp4", *H264),
    "DVD": (".vob", *MPEG2),
    "MPEG-2 in MKV": (".mkv", *MPEG2),
}


def bar(step: int) -> Image.Image:
    """Return a white bar that moves four pixels in each step."""
    image = Image.new("RGB", SIZE)
    ImageDraw.Draw(image).rectangle((8 + 3 * step, 0, 23 + 3 * step, SIZE[1]), fill="white")
    return image


def woven(number: int) -> Image.Image:
    """Return a frame of two fields: even lines at the time of step 2n, odd ones at that of step 2n + 1."""
    even, odd = bar(2 * number), bar(2 * number + 1)
    image = even.copy()
    for y in range(1, SIZE[1], 2):
        image.paste(odd.crop((0, y, SIZE[0], y + 1)), (0, y))
    return image


def write_interlaced(path: Path, codec: str, options: dict[str, str], *, frames: int = FRAMES) -> None:
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {**options, "flags": "+ildct+ilme", "g": "6"}
        for number in range(frames):
            frame = av.VideoFrame.from_image(woven(number)).reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
