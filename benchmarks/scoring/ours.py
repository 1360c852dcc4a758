"""Our contenders: the network alone, the whole task, and our network in the plain loop."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import torch

from benchmarks.scoring.contenders import Contender, Setting
from benchmarks.scoring.others import Loop
from benchmarks.scoring.planned import RUN, Planned, planned
from benchmarks.scoring.stages import stage_times
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Receipt
from scoring.pipeline.frame_reader import frame_position, read_frame
from scoring.pipeline.pipeline import CONCURRENT_BATCHES
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.scorer import AnyPainting, pad
from scoring.scorers.any_painting.weights import load_networks
from scoring.scorers.registry import ScorerResources, load_scorer
from scoring.tasks.inputs import prepare_once
from scoring.tasks.score import open_scoring
from scoring.types import Pictures, Scorer

DISTINCT_FRAMES = 8


def network_alone(setting: Setting) -> Contender:
    """Open the scorer as a task does."""
    return _NetworkAlone(setting)


def whole_task(setting: Setting) -> Contender:
    """Plan the clip as a run."""
    return _WholeTask(setting)


def plain_loop_our_network(setting: Setting) -> Contender:
    """Open the plain loop with our network, its style and its statistics: float32, without workers and allocator."""
    device = torch.device(setting.device)
    networks = load_networks(setting.weights, device)
    shared = AnyPainting(networks, device).prepare(planned(setting, "loop-run").inputs)
    style, statistics = shared["styles"][0], shared.get("statistics")
    condition = StyleCondition(
        torch.from_numpy(style).to(device),
        None if statistics is None else torch.from_numpy(statistics[0]).to(device),
    )

    def network(x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        return networks.transformer(pad(x / 255), condition)[:, :, :height, :width] * 255

    return Loop(network, setting)


class _NetworkAlone:
    """The scorer on decoded frames in memory, with as many calls in flight as in a task."""

    def __init__(self, setting: Setting) -> None:
        run = planned(setting, "network-run")
        self._scorer, self._score = _opened(run, setting)
        count = self._scorer.frames_per_forward
        indices = [i % min(DISTINCT_FRAMES, setting.clip.frames) for i in range(count)]
        self._pictures = np.stack([read_frame(run.manifest, run.source, i).picture for i in indices])
        self._positions = tuple(frame_position(run.manifest, i) for i in indices)
        self._cpu_ms: list[float] = []
        self._run_once()

    def rate(self, seconds: float) -> float:
        """Score for about `seconds`."""
        done = 0
        start, cpu_start = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(CONCURRENT_BATCHES) as pool:
            in_flight = [pool.submit(self._run_once) for _ in range(CONCURRENT_BATCHES)]
            while in_flight:
                done += len(in_flight.pop(0).result())
                if time.perf_counter() - start < seconds:
                    in_flight.append(pool.submit(self._run_once))
        self._cpu_ms.append((time.process_time() - cpu_start) / done * 1e3)
        return done / (time.perf_counter() - start)

    def facts(self) -> dict[str, Any]:
        """Return the device label, and the CPU time of a frame in milliseconds."""
        return {"device_name": self._scorer.device, "cpu_ms": float(np.median(self._cpu_ms))}

    def _run_once(self) -> Pictures:
        return cast("Pictures", self._score(self._pictures, self._positions))


class _WholeTask:
    """What `python -m scoring run` does after start-up: read, decode, score, smooth, encode, hash, write, receipt."""

    def __init__(self, setting: Setting) -> None:
        self._weights = setting.weights
        self._frames = setting.clip.frames
        self._device = torch.device(setting.device)
        self._run = planned(setting, "task-run")
        self._cpu_ms: list[float] = []
        scorer = _loaded(self._run, setting)
        self._prepare_s = {task: _seconds_to_prepare(self._run, scorer) for task in ("first_task", "other_tasks")}
        cpu_start = time.process_time()
        _opened(self._run, setting)
        self._start_up_cpu = time.process_time() - cpu_start
        self._run_once()

    def rate(self, _seconds: float) -> float:
        """Run the task once; its start-up (imports, weights, style, statistics) does not count."""
        cpu_start = time.process_time()
        self._run_once()
        self._cpu_ms.append((time.process_time() - cpu_start - self._start_up_cpu) / self._frames * 1e3)
        times = Receipt.load_stored(self._run.storage.runs.need(RunPaths(RUN).receipt(0)).data).times
        return self._frames / (times.total - times.start_up)

    def facts(self) -> dict[str, Any]:
        """Return the CPU time of a frame in milliseconds, the times of each stage, and the time to prepare."""
        return {
            "cpu_ms": float(np.median(self._cpu_ms)),
            "stages": stage_times(self._run, self._device),
            "prepare_s": self._prepare_s,
        }

    def _run_once(self) -> None:
        self._run.storage.runs.delete(RunPaths(RUN).receipt(0))
        with open_scoring(self._run.task, weights=self._weights, started=time.monotonic()) as score_batches:
            score_batches([0])


def _opened(run: Planned, setting: Setting) -> tuple[Scorer, Any]:
    """Load the run's scorer and open it, as a task does."""
    scorer = _loaded(run, setting)
    return scorer, scorer.open(run.inputs, prepare_once(run.task, scorer, run.inputs))


def _loaded(run: Planned, setting: Setting) -> Scorer:
    return load_scorer(
        run.plan, ScorerResources(weights=setting.weights, storage=run.storage, scratch=setting.clip.folder)
    )


def _seconds_to_prepare(run: Planned, scorer: Scorer) -> float:
    """Return the seconds to get the prepared values: the first task computes and stores them, the others read them."""
    start = time.perf_counter()
    prepare_once(run.task, scorer, run.inputs)
    return round(time.perf_counter() - start, 4)
