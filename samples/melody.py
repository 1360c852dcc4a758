"""A melody over the sound of the sea, synthesized sample by sample."""

import array
import math
import random
from typing import Final

SAMPLE_RATE: Final = 48_000
_SEED: Final = 3
_BEAT: Final = 0.2
# Beat, semitones from A4, duration in beats, stereo position from left (0) to right (1).
_NOTES: Final = (
    (0, -21, 8, 0.5), (0, 3, 4, 0.3), (1, 7, 4, 0.4), (2, 10, 4, 0.5), (3, 15, 5, 0.6),
    (4, 14, 4, 0.7), (5, 10, 4, 0.6), (6, 7, 4, 0.5), (7, 10, 5, 0.4),
    (8, -24, 8, 0.5), (8, 12, 4, 0.3), (9, 8, 4, 0.4), (10, 5, 4, 0.5), (11, 8, 4, 0.6),
    (12, 10, 4, 0.7), (13, 7, 4, 0.5), (14, 3, 6, 0.5),
)  # fmt: skip
_PARTIALS: Final = ((1, 1.0), (2, 0.35), (3, 0.12))


def make_melody(seconds: float) -> "array.array[int]":
    """Return interleaved 16-bit stereo samples at SAMPLE_RATE; always the same."""
    count = round(seconds * SAMPLE_RATE)
    left, right = _sea(count)
    for beat, semitones, beats, position in _NOTES:
        begin = round(beat * _BEAT * SAMPLE_RATE)
        for offset, value in enumerate(_plucked(440 * 2 ** (semitones / 12), beats * _BEAT)):
            if begin + offset >= count:
                break
            left[begin + offset] += value * (1 - position)
            right[begin + offset] += value * position
    samples: array.array[int] = array.array("h")
    for index in range(count):
        fade = min(1.0, (count - index) / (0.25 * SAMPLE_RATE))
        samples.extend(round(9000 * fade * math.tanh(side[index])) for side in (left, right))
    return samples


def _plucked(frequency: float, seconds: float) -> list[float]:
    """Return a plucked string: three partials, of which the higher ones decay faster."""
    values = []
    for index in range(round(seconds * SAMPLE_RATE)):
        time = index / SAMPLE_RATE
        attack = min(1.0, time / 0.006)
        tone = sum(
            weight * math.exp(-time * (2.2 + 1.8 * number)) * math.sin(math.tau * frequency * number * time)
            for number, weight in _PARTIALS
        )
        values.append(attack * (1 - time / seconds) * tone)
    return values


def _sea(count: int) -> tuple[list[float], list[float]]:
    """Return low-pass noise for both sides that swells twice."""
    rng = random.Random(_SEED)  # noqa: S311 - noise, not a secret
    sides = []
    for shift in (0.0, 0.4):
        smooth, values = 0.0, []
        for index in range(count):
            smooth += 0.06 * (rng.random() - 0.5 - smooth)
            swell = 0.55 - 0.45 * math.cos(math.tau * 2 * index / count + shift)
            values.append(0.7 * swell * smooth)
        sides.append(values)
    return sides[0], sides[1]
