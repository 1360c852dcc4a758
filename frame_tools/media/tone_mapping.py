"""Tone mapping of HDR video (PQ or HLG, BT.2020) to SDR (BT.709) by libavfilter; `tone_curve` says what is computed."""

import struct
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final, cast

from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from typing_extensions import Buffer

from frame_tools.media.color import HLG, SCALING, Conversion
from frame_tools.media.tone_curve import BT2020_TO_BT709, DEFAULT_PEAK_NITS, HLG_PEAK_NITS, PQ_NITS, TARGET_NITS
from frame_tools.media.tone_tables import tone_tables

_MASTERING_MAX_LUMINANCE: Final = 72  # offset in AVMasteringDisplayMetadata: six primaries, white point and minimum
_FORMAT: Final = "gbrpf32le"


class ToneMapper:
    """Converts frames of one HDR video to SDR as RGB; single use.

    `transfer` is PQ or HLG as in ITU-T H.273, `peak` the brightest level of the source in cd/m2.
    """

    def __init__(self, transfer: int, conversion: Conversion, *, peak: float = DEFAULT_PEAK_NITS) -> None:
        self._transfer = transfer
        self._peak = HLG_PEAK_NITS if transfer == HLG else min(max(peak, TARGET_NITS), PQ_NITS)
        self._conversion = conversion
        self._reformatter = VideoReformatter()
        self._graph: Graph | None = None
        self._size = (0, 0)

    def map(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame in SDR, as floating-point RGB of the same size."""
        rgb = self._reformatter.reformat(
            frame,
            format=_FORMAT,
            src_colorspace=self._conversion.matrix,
            src_color_range=self._conversion.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=SCALING,
            threads=1,
        )
        if self._graph is None or self._size != (rgb.width, rgb.height):
            self._size = rgb.width, rgb.height
            self._graph = self._build_graph(rgb)
        self._graph.vpush(rgb)
        return self._graph.vpull()

    def _build_graph(self, template: VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = 0  # as many as there are cores: each pixel is computed alone
        source = graph.add_buffer(
            width=template.width, height=template.height, format=template.format, time_base=Fraction(1, 1000)
        )
        with tempfile.TemporaryDirectory() as folder:
            nodes = [source, *_filters(graph, Path(folder), self._transfer, self._peak), graph.add("buffersink")]
            for node, following in pairwise(nodes):
                graph.link_nodes(node, following)
            graph.configure()
        return graph


def _filters(graph: Graph, folder: Path, transfer: int, peak: float) -> Iterator[FilterContext]:
    """Add the steps of `tone_tables` to a graph; the files must exist until it is configured."""
    tables = tone_tables(transfer, peak)
    yield _curve(graph, folder / "light.cube", tables.light)
    shares = {
        f"{output}{channel}": str(share)
        for output, row in zip("rgb", BT2020_TO_BT709, strict=True)
        for channel, share in zip("rgb", row, strict=True)
    }
    yield graph.add("colorchannelmixer", **shares)
    yield _curve(graph, folder / "coarse.cube", tables.coarse)
    yield _curve(graph, folder / "fine.cube", tables.fine)
    colors = folder / "colors.cube"
    colors.write_text(tables.colors, encoding="ascii")
    yield graph.add("lut3d", file=str(colors), interp="tetrahedral")


def _curve(graph: Graph, file: Path, text: str) -> FilterContext:
    file.write_text(text, encoding="ascii")
    return graph.add("lut1d", file=str(file), interp="linear")


def read_peak(frame: VideoFrame) -> float:
    """Return the peak of the display that an HDR video was mastered on in cd/m2, or the usual 1000."""
    data = cast("Mapping[str, Buffer]", frame.side_data).get("MASTERING_DISPLAY_METADATA")
    if data is None:
        return DEFAULT_PEAK_NITS
    numerator, denominator, _, has_luminance = struct.unpack_from("=4i", bytes(data), _MASTERING_MAX_LUMINANCE)
    return float(numerator / denominator) if has_luminance and min(numerator, denominator) > 0 else DEFAULT_PEAK_NITS
