"""Paints the frames of a preview in each of its looks, as a run would, but without temporal smoothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.options import Options
from frame_tools.contracts.preview import PreviewRow, PreviewStyle
from frame_tools.contracts.working_size import working_size
from scoring.postprocess.compositor import Compositor
from scoring.postprocess.resize import to_working_size
from scoring.scorers.registry import load_style_scorer
from scoring.types import FramePosition, Picture, RunInputs, Score, Scorer, StyleFile, StyleMix


@dataclass(frozen=True, kw_only=True)
class Look:
    """A painted row: its pictures, (H, W, 3), and the seconds that painting took for each frame."""

    pictures: tuple[Picture, ...]
    seconds: float


class LookPainter:
    """Paints frames of one video; rows that differ in strength or colors only are painted once.

    `frames` may be smaller than the video, whose size (width, height) decides how large the strokes are.
    """

    def __init__(self, frames: Sequence[Picture], size: tuple[int, int], weights: Path) -> None:
        self._frames, self._size, self._weights = frames, size, weights
        self._scorers: dict[str, Scorer] = {}
        self._painted: dict[str, tuple[Picture, ...]] = {}

    @property
    def device(self) -> str:
        """Label of the device that has painted; empty before the first look."""
        return ", ".join(sorted({str(getattr(scorer, "device", "cpu")) for scorer in self._scorers.values()}))

    def paint(self, row: PreviewRow) -> Look:
        """Paint all frames in the look of a row; raises InputError or MissingError for its files."""
        started = time.perf_counter()
        is_new, key = self.needs_painting(row), _key(row)
        if is_new:
            self._painted[key] = self._score(_without_blending(row), row.styles)
        seconds = (time.perf_counter() - started) / len(self._frames) if is_new else 0.0
        compositor = Compositor(_with_defaults(row))
        pairs = zip(self._frames, self._painted[key], strict=True)
        return Look(pictures=tuple(compositor(frame, scored) for frame, scored in pairs), seconds=seconds)

    def needs_painting(self, row: PreviewRow) -> bool:
        """Return whether a row takes time: no earlier one had the same styles and stroke size."""
        return _key(row) not in self._painted

    def _score(self, options: Options, styles: Sequence[PreviewStyle]) -> tuple[Picture, ...]:
        if options.scorer not in self._scorers:
            self._scorers[options.scorer] = load_style_scorer(options.scorer, self._weights)
        scorer = self._scorers[options.scorer]
        size = working_size(*self._size, options)
        frames = [to_working_size(frame, size) for frame in self._frames]
        total = sum(style.weight for style in styles)
        run = RunInputs(
            options=options,
            styles=tuple(StyleFile(style.path.name, _read(style.path)) for style in styles),
            style_mixes=(StyleMix(0.0, tuple(style.weight / total for style in styles)),),
            sample=lambda: list(frames),
        )
        score: Score = scorer.open(run, scorer.prepare(run))  # type: ignore[assignment]  # it makes pictures
        positions = tuple(FramePosition(index, 0.0) for index in range(len(frames)))
        return tuple(np.asarray(picture) for picture in score(np.stack(frames), positions))


def _with_defaults(row: PreviewRow) -> Options:
    return row.options.with_default_strokes.with_default_calm


def _without_blending(row: PreviewRow) -> Options:
    """Return the options that decide what the network paints."""
    return _with_defaults(row).model_copy(update={"strength": 1.0, "preserve_color": "no"})


def _key(row: PreviewRow) -> str:
    return f"{_without_blending(row).model_dump_json()}{[style.model_dump_json() for style in row.styles]}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"The style {path} does not exist", "Check the path of the style.") from None
    except OSError as error:
        raise InputError(f"The style {path} can't be read ({error.strerror})", "Check the path.") from error
