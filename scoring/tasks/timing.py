"""Times of a batch: one JSON line per frame, as in the reference architecture, and the sums for the receipt."""

import io
import json
from typing import Any

from frame_tools.contracts.receipt import SteadinessSums, StoredFile, TaskTimes
from scoring.pipeline.types import FrameRecord


class Timing:
    """Collects the times of a batch's frames."""

    def __init__(self, run_id: str, batch: int, *, start: int) -> None:
        self._run_id, self._batch, self._start = run_id, batch, start
        self._lines = io.StringIO()
        self._load_ms = self._infer_ms = self._save_ms = 0.0
        self._steadiness: list[SteadinessSums] = []

    def add_painted(self, record: FrameRecord[StoredFile | None]) -> None:
        """Add a painted frame. The pair of the first frame and the one before it belongs to no batch."""
        if record.measured is not None and record.index > self._start:
            self._steadiness.append(record.measured)
        self.add(record, size=None if record.stored is None else record.stored.size)

    def add(self, record: FrameRecord[Any], *, size: int | None) -> None:
        """Add the times of a frame, and its `size` in bytes if it was stored."""
        self._load_ms += record.load_ms
        self._infer_ms += record.infer_ms
        self._save_ms += record.save_ms + record.segment_ms
        line = {
            "run_id": self._run_id,
            "batch": self._batch,
            "frame": record.index,
            "name": record.name,
            "load_ms": round(record.load_ms, 2),
            "infer_ms": round(record.infer_ms, 2),
            "save_ms": round(record.save_ms, 2),
            "segment_ms": round(record.segment_ms, 2),
        }
        if size is not None:
            line["bytes"] = size
        self._lines.write(json.dumps(line) + "\n")

    @property
    def steadiness(self) -> SteadinessSums | None:
        """Sums over the measured pairs of frames; None if no pair was measured."""
        if not self._steadiness:
            return None
        rows = [sums.model_dump() for sums in self._steadiness]
        return SteadinessSums(**{field: sum(row[field] for row in rows) for field in rows[0]})

    def lines(self) -> bytes:
        """Return the log."""
        return self._lines.getvalue().encode()

    def times(self, *, start_up: float, total: float) -> TaskTimes:
        """Return the sums in seconds."""
        return TaskTimes(
            start_up=round(start_up, 4),
            load=round(self._load_ms / 1000, 4),
            infer=round(self._infer_ms / 1000, 4),
            save=round(self._save_ms / 1000, 4),
            total=round(total, 4),
        )
