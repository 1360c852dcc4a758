"""Conversion of one audio track: decoded, laid on the output's timeline sample by sample, and encoded again.

Timestamps decide where sound lies: what comes before the start is cut, gaps become silence, and where two parts
overlap the later one wins, as in a player that jumps to the next edit.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final, cast

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet

from frame_tools.contracts.errors import InputError
from frame_tools.media.audio_plan import Conversion
from frame_tools.media.packet_timeline import AnyPacket

# Demuxers round and estimate the times of audio packets; correcting that would insert clicks.
_JITTER_SECONDS: Final = Fraction(15, 1000)
_SILENCE_STEP_SECONDS: Final = 1
# Encoding silence takes time; a timestamp that is wrong asks for centuries of it.
_MAX_SILENCE_SECONDS: Final = 12 * 3600
# A track that starts this late begins with silence instead, so that the encoder's priming stays before time 0.
_MAX_PADDING_SECONDS: Final = Fraction(1, 10)


class TrackConverter:
    """Converts the packets of `source` into packets of `target`, whose time 0 is `origin` on the source's clock.

    `is_exact`: the timestamps are exact to the sample (edit lists), so that the smallest overlap is resolved.
    `end` cuts off what lies after it, in seconds from the origin. `damaged` counts packets that could not be decoded.
    """

    def __init__(
        self,
        source: AudioStream,
        target: AudioStream,
        conversion: Conversion,
        *,
        origin: Fraction,
        is_exact: bool,
        end: Fraction | None = None,
    ) -> None:
        self.damaged = 0
        self._silence = 0
        self._source = source
        self._target = target
        self._rate = source.codec_context.sample_rate
        self._format = conversion.sample_format
        self._layout = conversion.layout
        self._origin = origin
        self._tolerance = 0 if is_exact else round(_JITTER_SECONDS * self._rate)
        self._padding = round(_MAX_PADDING_SECONDS * self._rate)
        self._end = None if end is None else round(end * self._rate)
        self._resampler: AudioResampler | None = None
        self._input: tuple[str, str, int] | None = None
        self._pending: AudioFrame | None = None
        self._pending_start = 0

    def convert(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        """Yield the packets that are complete after this one; an empty packet flushes the decoder."""
        try:
            frames = cast("Packet[AudioStream]", packet).decode()
        except av.InvalidDataError:
            self.damaged += 1
            return
        for frame in frames:
            position = None
            if frame.pts is not None and frame.time_base is not None:
                position = round((frame.pts * frame.time_base - self._origin) * self._rate)
            for normalized in self._normalize(frame):
                yield from self._add(normalized, position)
                position = None

    def finish(self) -> Iterator[AnyPacket]:
        """Yield the remaining packets; call it after the decoder was flushed."""
        yield from self._encode_pending()
        if self._pending is not None:
            yield from self._target.encode(None)

    def _normalize(self, frame: AudioFrame) -> list[AudioFrame]:
        """Convert a frame to the encoder's format and the track's rate and layout, which may change in mid-stream."""
        properties = frame.format.name, frame.layout.name, frame.sample_rate
        if properties != self._input:
            self._input = properties
            self._resampler = AudioResampler(format=self._format, layout=self._layout, rate=self._rate)
        frame.pts = None
        assert self._resampler is not None  # noqa: S101 - set with the first frame
        return self._resampler.resample(frame)

    def _add(self, frame: AudioFrame, position: int | None) -> Iterator[AnyPacket]:
        """Place a frame at `position` in samples (None: directly after the previous one)."""
        if self._pending is None:
            position = position or 0
            if position < 0:
                if frame.samples <= -position:
                    return
                frame, position = _part(frame, -position, frame.samples), 0
            elif position <= self._padding:
                yield from self._encode_silence(frame, 0, position)
        else:
            expected = self._pending_start + self._pending.samples
            if position is None or abs(position - expected) <= self._tolerance:
                position = expected
            elif position < expected:
                frame, position = self._resolve_overlap(frame, position)
                if frame is None:
                    return
            else:
                yield from self._encode_pending()
                yield from self._encode_silence(frame, expected, position)
                self._pending = None
        yield from self._encode_pending()
        self._pending, self._pending_start = frame, position

    def _resolve_overlap(self, frame: AudioFrame, position: int) -> tuple[AudioFrame, int]:
        """Cut the end of the pending frame, or the beginning of `frame` if it starts before the pending one."""
        assert self._pending is not None  # noqa: S101 - the caller checks
        kept = position - self._pending_start
        if kept > 0:
            self._pending = _part(self._pending, 0, kept)
            return frame, position
        expected = self._pending_start + self._pending.samples
        return _part(frame, min(expected - position, frame.samples - 1), frame.samples), expected

    def _encode_pending(self) -> Iterator[AnyPacket]:
        if self._pending is not None:
            yield from self._encode(self._pending, self._pending_start)

    def _encode_silence(self, like: AudioFrame, begin: int, end: int) -> Iterator[AnyPacket]:
        self._silence += end - begin
        if self._silence > _MAX_SILENCE_SECONDS * self._rate:
            raise InputError(
                f"A track of the sound has gaps of more than {_MAX_SILENCE_SECONDS // 3600} hours",
                "Set the option sound to drop, or repair the timestamps of the video.",
            )
        step = _SILENCE_STEP_SECONDS * self._rate
        for position in range(begin, end, step):
            samples = min(step, end - position)
            silence = AudioFrame(format=like.format.name, layout=like.layout.name, samples=samples, align=1)
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            yield from self._encode(silence, position)

    def _encode(self, frame: AudioFrame, position: int) -> Iterator[AnyPacket]:
        if self._end is not None and position + frame.samples > self._end:
            if position >= self._end:
                return
            frame = _part(frame, 0, self._end - position)
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = position
        yield from self._target.encode(frame)


def _part(frame: AudioFrame, begin: int, end: int) -> AudioFrame:
    """Return the samples [begin, end) of a frame."""
    part = AudioFrame(format=frame.format.name, layout=frame.layout.name, samples=end - begin, align=1)
    channels = 1 if frame.format.is_planar else frame.layout.nb_channels
    sample_bytes = frame.format.bytes * channels
    for source, target in zip(frame.planes, part.planes, strict=True):
        target.update(bytes(memoryview(source)[begin * sample_bytes : end * sample_bytes]))
    part.sample_rate = frame.sample_rate
    return part
