"""Run a program on the first frames of a video through the pipeline of a task: `python -m scoring try`."""

import hashlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from pydantic import ValidationError

from frame_tools.contracts.base import explain_validation_error
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import ProgramCall
from frame_tools.contracts.programs import AllowedProgram, kind_of, made_by, sha256_of_file
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.trial import TrialRequest, TrialResult
from frame_tools.media.containers import open_input
from frame_tools.media.files import write_atomically
from frame_tools.media.images import encode_jpeg
from frame_tools.media.probe import select_video_stream
from frame_tools.media.track_headers import read_track_header
from frame_tools.media.video_reader import VideoReader
from scoring.image_codec import decode_with_alpha
from scoring.inference.tensors import best_device
from scoring.pipeline.frame_guard import Guard
from scoring.pipeline.pipeline import describe_frames, score_frames
from scoring.pipeline.types import FrameRecord, Outputs, SourceFrame, Stages
from scoring.preview.sheet import SheetRow, draw_sheet, encode_sheet
from scoring.scorers.programs.context import ProgramContext
from scoring.scorers.programs.loading import load_program
from scoring.types import Alpha, Describe, FramePosition, Picture, RunInputs, Score, Scorer

RATE: Final = 25.0
"""Frames per second of the positions that a program gets: a trial reads no timestamps."""
SHOWN: Final = 8
"""Frames on the sheet."""
_MEGA: Final = 1e6


@dataclass
class _Collected:
    """What the pipeline delivers."""

    pictures: dict[int, Picture] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


def try_program(request: TrialRequest) -> TrialResult:
    """Run the program, write a sheet of its pictures, and return what it took.

    Raises MissingError or InputError for the files, and what a node would raise for the program.
    """
    data, allowed = _read_program(request)
    planned = allowed.planned(request.program.stem)
    frames = _read_frames(request.video, request.frames)
    with tempfile.TemporaryDirectory(prefix="impasto-") as scratch:
        context = ProgramContext(
            device=best_device().type,
            seed=request.seed,
            arguments=request.arguments,
            scratch=Path(scratch),
            files=request.files,
        )
        started = time.perf_counter()
        scorer = load_program(planned, data, context, makes=allowed.makes)
        load_seconds = time.perf_counter() - started
        collected = _run(scorer, frames, request)
    first = decode_with_alpha(frames[0], "frame").picture
    if collected.pictures:
        _write_sheet(request.out, frames, collected.pictures)
    return TrialResult(
        makes=scorer.makes,
        frames=len(frames),
        device=scorer.device,
        width=first.shape[1],
        height=first.shape[0],
        scale=planned.scale,
        frames_per_call=scorer.frames_per_forward,
        load_seconds=round(load_seconds, 3),
        milliseconds=tuple(round(each, 1) for each in collected.milliseconds),
        memory_mb=round(_peak_memory() / _MEGA, 1),
        gpu_memory_mb=round(torch.cuda.max_memory_allocated() / _MEGA, 1) if torch.cuda.is_available() else None,
        records=tuple(collected.records),
        sha256=planned.sha256,
    )


def _read_program(request: TrialRequest) -> tuple[bytes, AllowedProgram]:
    """Return a program's file and what the operator's list would say about it."""
    path, kind = request.program, kind_of(request.program)
    try:
        data = path.read_bytes()
        files = {name: sha256_of_file(file) for name, file in request.files.items()}
    except FileNotFoundError as error:
        raise MissingError(f"The file {error.filename} does not exist", "Check the paths.") from None
    fields = {name: getattr(request, name) for name in ProgramCall.model_fields}
    try:
        allowed = AllowedProgram(
            file=path.name,
            sha256=hashlib.sha256(data).hexdigest(),
            kind=kind,
            makes=made_by(path, kind),
            files=files,
            **fields,
        )
    except ValidationError as error:
        raise InputError(*explain_validation_error(error, f"call of {path.name}", AllowedProgram)) from None
    return data, allowed


def _read_frames(video: Path, count: int) -> list[bytes]:
    """Return the first frames of a video as files, as a split writes them."""
    if not video.is_file():
        raise MissingError(f"The video {video} does not exist", "Check the path of the video.")
    with open_input(video) as container:
        stream = select_video_stream(container, video.name, video)
        header = read_track_header(video, container, stream)
        reader = VideoReader(container, stream, name=video.name, header=header, options=SplitOptions())
        return [encode_jpeg(image) for image in islice(reader.images(), count)]


def _run(scorer: Scorer, frames: list[bytes], request: TrialRequest) -> _Collected:
    """Pass the frames through the pipeline of a task."""
    collected = _Collected()
    run = RunInputs(options=Options(scorer="copy", arguments={}, seed=request.seed), sample=list)
    opened = scorer.open(run, scorer.prepare(run))
    settings: dict[str, Any] = {
        "stages": Stages[Any](decode=decode_with_alpha),
        "frames_per_forward": scorer.frames_per_forward,
        "in_order": scorer.in_order,
    }

    def add(record: FrameRecord[Any]) -> None:
        collected.milliseconds.append(record.infer_ms)
        if scorer.makes == "records":
            collected.records.append(json.dumps(record.stored, ensure_ascii=False))

    if scorer.makes == "records":
        describe_frames(_source(frames), cast("Describe", opened), add, **settings)
        return collected
    guard = Guard(cast("Score", opened), "fail", reject_blank=False, scale=request.scale)
    pictures: list[Picture] = []

    def keep(picture: Picture, _alpha: Alpha | None) -> bytes:
        return b""

    outputs = Outputs[None](
        sink=lambda _index, _name, _data: None,
        encode=keep,
        segment=lambda frame: pictures.append(frame.picture),
        on_frame=add,
    )
    score_frames(_source(frames), guard, outputs, scale=request.scale, **settings)
    collected.pictures = dict(enumerate(pictures))
    return collected


def _source(frames: list[bytes]) -> Iterator[SourceFrame]:
    for index, data in enumerate(frames):
        yield SourceFrame(
            position=FramePosition(index, index / RATE),
            name=f"{index + 1:06d}.jpg",
            fetch=lambda data=data: data,  # type: ignore[misc]
            delivered=True,
        )


def _write_sheet(out: Path, frames: list[bytes], pictures: dict[int, Picture]) -> None:
    """Write frames and results, one above the other."""
    shown = np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).round().astype(int).tolist()
    rows = [
        SheetRow(pictures=[decode_with_alpha(frames[i], "frame").picture for i in shown], label=("input",)),
        SheetRow(pictures=[pictures[i] for i in shown], label=("result",)),
    ]
    write_atomically(out, encode_sheet(draw_sheet(rows), out.suffix))


def _peak_memory() -> float:
    """Return the most bytes that this process has used."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)
