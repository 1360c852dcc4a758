"""Deinterlacing with libavfilter's bwdif: one progressive frame for each interlaced one, at the same time.

Frames that the stream marks as progressive pass unchanged. The filter needs the next frame, so it returns each frame
one call later.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av
from av.filter import Graph
from av.video.frame import VideoFrame

_MIN_SIDE: Final = 3
"""Smaller frames are not supported by bwdif."""
_TICK: Final = Fraction(1, 1000)


class Deinterlacer:
    """Deinterlaces the frames of one video from the first interlaced one on; `is_active` says whether there was one."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._count = 0

    @property
    def is_active(self) -> bool:
        """Whether the video had an interlaced frame."""
        return self._shape is not None

    def add(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Yield the frames that are complete with this one, in order; as many in all as are added."""
        shape = frame.width, frame.height, frame.format.name
        if self._graph is not None and shape != self._shape:
            yield from self.finish()
        if self._graph is None:
            if not frame.interlaced_frame or min(frame.width, frame.height) < _MIN_SIDE:
                yield frame
                return
            self._shape = shape
            self._graph = _build_graph(frame)
        frame.pts, frame.time_base = self._count, _TICK
        self._count += 1
        self._graph.vpush(frame)
        yield from _pull(self._graph)

    def finish(self) -> Iterator[VideoFrame]:
        """Yield the frames that wait for a next one."""
        if self._graph is not None:
            graph, self._graph = self._graph, None
            graph.vpush(None)
            yield from _pull(graph)


def _build_graph(template: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=template.width, height=template.height, format=template.format, time_base=_TICK)
    filtering = graph.add("bwdif", mode="send_frame", parity="auto", deint="interlaced")
    graph.link_nodes(source, filtering, graph.add("buffersink"))
    graph.configure()
    return graph


def _pull(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
