"""The contenders, each in a process of its own: threads, allocator and memory of one don't touch another."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from benchmarks.scoring.clip import Clip
from frame_tools.contracts.options import Options

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Setting:
    """What is measured: the clip, the options of the run, the device, and where the weights lie."""

    clip: Clip
    options: Options
    device: Device
    weights: Path


class Contender(Protocol):
    """Something that makes frames; opened once, then asked round by round."""

    def rate(self, seconds: float) -> float:
        """Work for about `seconds` and give frames per second."""

    def facts(self) -> dict[str, Any]:
        """Give what else is to be known of it, as JSON."""


@dataclass
class _Inside:
    """What lives in a contender's process."""

    contender: Contender | None = None


_INSIDE = _Inside()


@dataclass(frozen=True)
class Opened:
    """A contender behind its process."""

    name: str
    process: ProcessPoolExecutor
    rates: list[float] = field(default_factory=list)
    """Frames per second, one for each round."""

    def ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call in the contender's process; its error is raised here."""
        answer: Future[Any] = self.process.submit(call, *arguments)
        return answer.result()


@contextmanager
def opened(makers: dict[str, Callable[[Setting], Contender]], setting: Setting) -> Iterator[list[Opened]]:
    """Start a process for each of `makers` (name -> function of a module), open the contenders, end all afterwards."""
    context = multiprocessing.get_context("spawn")
    processes: list[ProcessPoolExecutor] = []
    try:
        contenders = []
        for name, make in makers.items():
            processes.append(ProcessPoolExecutor(1, mp_context=context))
            contenders.append(Opened(name, processes[-1]))
            contenders[-1].ask(_open, make, setting)
        yield contenders
    finally:
        for process in processes:
            process.shutdown(wait=True, cancel_futures=True)


def run_rounds(contenders: Sequence[Opened], rounds: int, seconds: float) -> None:
    """Let every contender work once in each round, one after the other, so that a busy minute meets all alike."""
    for _ in range(rounds):
        for contender in contenders:
            contender.rates.append(contender.ask(_rate, seconds))


def facts(contender: Opened) -> dict[str, Any]:
    """Ask for the contender's facts."""
    answer: dict[str, Any] = contender.ask(_facts)
    return answer


def frames_per_second(one: Callable[[int], object], seconds: float) -> float:
    """Call with 0, 1, 2, ... until `seconds` are over, at least once; give calls per second."""
    start, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - start < seconds:
        one(done)
        done += 1
    return done / (time.perf_counter() - start)


def _open(make: Callable[[Setting], Contender], setting: Setting) -> None:
    if setting.device == "cpu":
        os.putenv("CUDA_VISIBLE_DEVICES", "")  # CUDA's library reads it when torch first looks for a GPU
    _INSIDE.contender = make(setting)


def _rate(seconds: float) -> float:
    assert _INSIDE.contender is not None  # noqa: S101 - opened first
    rate = _INSIDE.contender.rate(seconds)
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # the others' turn: a GPU that is full of what this one keeps would fail them
    return rate


def _facts() -> dict[str, Any]:
    assert _INSIDE.contender is not None  # noqa: S101 - opened first
    return _INSIDE.contender.facts()
