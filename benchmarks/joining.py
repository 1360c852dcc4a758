"""Measure the duration and peak memory of joining by length: segments of 48 frames, 640x360, with audio.

    .venv/bin/python -m benchmarks.joining [--json]

Each length runs in its own process, so that its peak memory is its own; blocks are dropped, as if storage were
instantaneous.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageDraw

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.media_description import AudioTrack
from frame_tools.media.join import Segment, join
from frame_tools.media.segment import SegmentEncoder
from frame_tools.media.sink import BlockSink

LENGTHS = (48, 300, 3000, 30000)
BATCH = 48
SIZE = (640, 360)
RATE = 30


class DiscardedBlocks:
    """A block target that discards everything."""

    def stage(self, block_id: str, data: bytes) -> None:
        """Discard the block."""

    def commit(self, block_ids: Sequence[str]) -> str:
        """Return an ETag."""
        return ""


def encode_segment() -> bytes:
    """Encode one batch of moving shapes."""
    encoder = SegmentEncoder(build_manifest(BATCH, audio_packets=0))
    for index in range(BATCH):
        image = Image.linear_gradient("L").resize(SIZE).convert("RGB")
        draw = ImageDraw.Draw(image)
        for k in range(30):
            x, y = (k * 97 + index * (1 + k % 5)) % SIZE[0], (k * 61) % SIZE[1]
            draw.ellipse((x, y, x + 30 + k, y + 20 + k), fill=(k * 6 % 256, k * 31 % 256, 255 - k * 5))
        encoder.add(image.tobytes())
    return encoder.finish()


def build_manifest(frames: int, *, audio_packets: int) -> Manifest:
    """Return a manifest of `frames` frames, with one audio track if `audio_packets` is not 0."""
    manifest = Manifest.plain(frames, Fraction(RATE), width=SIZE[0], height=SIZE[1])
    if not audio_packets:
        return manifest
    track = AudioTrack(codec="aac", sample_rate=48000, channels=2, start=Fraction(0), packets=audio_packets)
    return manifest.model_copy(update={"audio_file": "audio.mp4", "audio": (track,)})


def write_silence(path: Path, seconds: float) -> int:
    """Write an AAC file with silence of this length; returns its number of packets."""
    packets = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        for start in range(0, int(seconds * 48000), 1024):
            frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            for plane in frame.planes:
                plane.update(bytes(4096))
            frame.sample_rate, frame.pts = 48000, start
            for packet in stream.encode(frame):
                container.mux(packet)
                packets += 1
        for packet in stream.encode(None):
            container.mux(packet)
            packets += 1
    return packets


def measure(frames: int) -> dict[str, float]:
    """Join once; returns the duration in seconds and the process's peak memory."""
    data = encode_segment()
    with tempfile.TemporaryDirectory() as scratch:
        audio = Path(scratch) / "audio.mp4"
        manifest = build_manifest(frames, audio_packets=write_silence(audio, frames / RATE))
        start = time.perf_counter()
        sink = BlockSink(DiscardedBlocks())
        report = join(manifest, segments(data, frames), audio=audio, out=sink)
        sink.commit()
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "frames": frames,
        "seconds": round(seconds, 3),
        "megabytes": round(report.bytes / 1e6, 1),
        "peak_mb": round(peak, 1),
    }


def segments(data: bytes, frames: int) -> Iterator[Segment]:
    """Yield the same batch repeatedly; `frames` must be a multiple of its length."""
    for number in range(frames // BATCH):
        yield Segment(f"batch {number}", BATCH, bytes(bytearray(data)))


def main() -> None:
    """Measure each length in its own process and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    rows = []
    for frames in LENGTHS:
        rounded = max(BATCH, frames // BATCH * BATCH)
        command = [sys.executable, "-m", "benchmarks.joining", "--one", str(rounded)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{'frames':>8} {'seconds':>8} {'video MB':>9} {'peak MB':>10}")
    for row in rows:
        print(f"{row['frames']:>8} {row['seconds']:>8} {row['megabytes']:>9} {row['peak_mb']:>10}")


if __name__ == "__main__":
    main()
