"""What a frame costs in each stage beside the network: measured one by one, on one thread, with nothing else to do."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from frame_tools import names
from frame_tools.blobs import sha256_of
from frame_tools.media.segment import SegmentEncoder
from scoring import frames as images
from scoring.bench.planned import RUN, Planned
from scoring.protocol import Picture
from scoring.run_inputs import read_frame

MOST_FRAMES: Final = 24


def stage_times(run: Planned) -> dict[str, dict[str, float]]:
    """Give for each stage the wall and CPU time of a frame in milliseconds; the run's task must have been done.

    `read`: file to picture; `encode`: picture to file, with its hash; `segment`: H.264, whose encoder takes frames in
    order on one thread and has threads of its own.
    """
    count = min(run.plan.frame_count, MOST_FRAMES)
    styled = [_styled(run, index) for index in range(count)]
    encoder = SegmentEncoder(run.manifest, even=run.plan.options.even)

    def segment(picture: Picture) -> None:
        encoder.add(picture)

    return {
        "read": _time(lambda index: read_frame(run.manifest, run.store, index), range(count)),
        "encode": _time(lambda picture: _store(run, images.encode_jpeg(picture)), styled),
        "segment": _time(segment, styled, finish=encoder.finish),
    }


def _styled(run: Planned, index: int) -> Picture:
    name = run.manifest.frame_name(index)
    return images.decode(run.storage.work.need(names.styled_frame(RUN, name)).data, name)


def _store(run: Planned, data: bytes) -> None:
    run.storage.work.write("stage", data)
    sha256_of(data)


def _time(
    call: Callable[[Any], object], arguments: Sequence[Any], finish: Callable[[], object] | None = None
) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    for argument in arguments:
        call(argument)
    if finish is not None:
        finish()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"ms": round(wall / len(arguments) * 1e3, 3), "cpu_ms": round(cpu / len(arguments) * 1e3, 3)}
