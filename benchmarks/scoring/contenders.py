"""Contenders, each in its own process, so that threads, allocator and memory of one do not affect another."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import torch

from benchmarks.scoring.clip import Clip
from frame_tools.contracts.options import Options

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Setting:
    """What is measured: the clip, the options of the run, the device, and the folder of the weights."""

    clip: Clip
    options: Options
    device: Device
    weights: Path


class Contender(Protocol):
    """A way to process frames; opened once, then measured in each round."""

    def rate(self, seconds: float) -> float:
        """Work for about `seconds` and return frames per second."""

    def facts(self) -> dict[str, Any]:
        """Return further results, as JSON values."""


@dataclass
class _ProcessState:
    """State of a contender's process."""

    contender: Contender | None = None


_STATE = _ProcessState()


@dataclass(frozen=True)
class ContenderProcess:
    """A contender and its process."""

    name: str
    process: ProcessPoolExecutor
    rates: list[float] = field(default_factory=list)
    """Frames per second, one for each round."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function` in the process of the contender; its error is raised here."""
        result: Future[Any] = self.process.submit(function, *arguments)
        return result.result()


@contextmanager
def start_contenders(
    factories: Mapping[str, Callable[[Setting], Contender]], setting: Setting
) -> Iterator[list[ContenderProcess]]:
    """Start a process for each of `factories` (name -> module-level function), and end all afterwards."""
    context = multiprocessing.get_context("spawn")
    processes: list[ProcessPoolExecutor] = []
    try:
        contenders = []
        for name, factory in factories.items():
            processes.append(ProcessPoolExecutor(1, mp_context=context))
            contenders.append(ContenderProcess(name, processes[-1]))
            contenders[-1].call(_open, factory, setting)
        yield contenders
    finally:
        for process in processes:
            process.shutdown(wait=True, cancel_futures=True)


def run_rounds(contenders: Sequence[ContenderProcess], rounds: int, seconds: float) -> None:
    """Measure every contender once in each round, in turn, so that other load affects all of them alike."""
    for _ in range(rounds):
        for contender in contenders:
            contender.rates.append(contender.call(_rate, seconds))


def facts(contender: ContenderProcess) -> dict[str, Any]:
    """Return the further results of a contender."""
    return cast("dict[str, Any]", contender.call(_facts))


def frames_per_second(process_frame: Callable[[int], object], seconds: float) -> float:
    """Call with 0, 1, 2, ... until `seconds` have passed, at least once; return calls per second."""
    start, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - start < seconds:
        process_frame(done)
        done += 1
    return done / (time.perf_counter() - start)


def _open(factory: Callable[[Setting], Contender], setting: Setting) -> None:
    if setting.device == "cpu":
        os.putenv("CUDA_VISIBLE_DEVICES", "")  # the CUDA library reads it when torch first looks for a GPU
    _STATE.contender = factory(setting)


def _rate(seconds: float) -> float:
    assert _STATE.contender is not None  # noqa: S101 - opened first
    rate = _STATE.contender.rate(seconds)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # memory that this process caches would be missing for the next contender
    return rate


def _facts() -> dict[str, Any]:
    assert _STATE.contender is not None  # noqa: S101 - opened first
    return _STATE.contender.facts()
