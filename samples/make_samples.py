"""Generate the sample inputs: a short video with audio (sailing.mp4) and a painting (painting.jpg).

    python -m samples.make_samples FOLDER
    python -m samples.make_samples --page

With --page it writes smaller ones, which the web page offers and the app's package contains. The files have the same
bytes every time.
"""

import argparse
import array
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.media.files import atomic_output
from samples.canvas import HEIGHT, WIDTH
from samples.melody import SAMPLE_RATE, make_melody
from samples.painting import make_painting
from samples.scene import FRAMES, draw_frame

RATE: Final = Fraction(30_000, 1001)
VIDEO_NAME: Final = "sailing.mp4"
PAINTING_NAME: Final = "painting.jpg"
PAGE_FOLDER: Final = Path(__file__).parents[1] / "orchestration" / "web" / "static"
_BT709: Final = 1
_LIMITED: Final = 1


def main() -> None:
    """Write both files into the folder named on the command line; creates it if it does not exist."""
    parser = argparse.ArgumentParser(description="Generate the sample video and painting.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    parser.add_argument("--page", action="store_true", help="write the smaller samples of the web page")
    arguments = parser.parse_args()
    if arguments.page:
        make_page_samples(PAGE_FOLDER)
        return
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    make_video(folder / VIDEO_NAME)
    with atomic_output(folder / PAINTING_NAME) as part:
        make_painting().save(part, "JPEG", quality=92, subsampling=0)


def make_page_samples(folder: Path) -> None:
    """Write the samples of the web page, a third of the size of the others."""
    make_video(folder / f"sample_{VIDEO_NAME}", crf=27)
    painting = make_painting()
    painting.thumbnail((480, 480), Image.Resampling.LANCZOS)
    with atomic_output(folder / f"sample_{PAINTING_NAME}") as part:
        painting.save(part, "JPEG", quality=78)


def make_video(path: Path, *, crf: int = 17) -> None:
    """Write the scene with its melody: H.264 and AAC in MP4, a little over three seconds.

    `crf` is the quality of the pictures: 17 looks like the drawing, 27 is smaller.
    """
    options = {"movflags": "faststart", "fflags": "+bitexact"}
    with (
        atomic_output(path) as part,
        av.open(str(part), "w", format="mp4", container_options=options) as output,
    ):
        output.metadata["title"] = "Sailing home"
        video, audio = _video_stream(output, crf), _audio_stream(output)
        packets: list[Packet[Any]] = [*_video_packets(video), *_audio_packets(audio)]
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            output.mux(packet)


def _video_stream(output: OutputContainer, crf: int) -> VideoStream:
    # Without x264's macroblock tree, whose AVX-512 code gives different bytes from run to run.
    stream = output.add_stream("libx264", rate=RATE, options={"crf": str(crf), "preset": "medium", "mbtree": "0"})
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base = 1 / RATE
    context.thread_count = 2  # fixed, because it affects the bytes
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED
    return stream


def _video_packets(stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    for number in range(FRAMES):
        drawn: VideoFrame = VideoFrame.from_image(draw_frame(number))  # type: ignore[no-untyped-call]
        frame = drawn.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED)
        frame.pts, frame.time_base = number, 1 / RATE
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _audio_stream(output: OutputContainer) -> AudioStream:
    stream = output.add_stream("aac", rate=SAMPLE_RATE, options={"b": "128k"})
    stream.codec_context.layout = "stereo"
    stream.codec_context.time_base = Fraction(1, SAMPLE_RATE)
    stream.metadata["language"] = "zxx"  # ISO 639-2: no linguistic content
    return stream


def _audio_packets(stream: AudioStream) -> "Iterator[Packet[AudioStream]]":
    samples: array.array[int] = make_melody(float(FRAMES / RATE))
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE, frame_size=1024)
    frame = AudioFrame(format="s16", layout="stereo", samples=len(samples) // 2, align=1)
    frame.planes[0].update(samples.tobytes())
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
    for chunk in [*resampler.resample(frame), *resampler.resample(None)]:
        yield from stream.encode(chunk)
    yield from stream.encode(None)


if __name__ == "__main__":
    main()
