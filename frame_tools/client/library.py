"""The client for Python programs: paint a video, follow its run, fetch the result. The commands stand on it, too."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from frame_tools.client.api import resubmit_body
from frame_tools.client.comparison import CompareKind
from frame_tools.client.connection import Connection
from frame_tools.client.derived_files import choose_derived
from frame_tools.client.output_path import RecordsFormat
from frame_tools.client.painting import Painting, default_output, video_fields
from frame_tools.client.polling import check_finished, follow
from frame_tools.client.progress import QuietDisplay
from frame_tools.client.repaint import repaint
from frame_tools.client.results import Result, write_run
from frame_tools.client.upload import extra_files
from frame_tools.client.workflow import start_painting
from frame_tools.contracts import ids
from frame_tools.contracts.answers import Preflight, RunRow, RunStatus
from frame_tools.contracts.base import explain_validation_error
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.trigger import Trigger

Style = str | Path | Mapping[str, float] | Mapping[Path, float]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run in the cloud."""

    connection: Connection
    id: str
    painting: Painting | None = None
    """What this program started; None for a run of somebody else."""

    def status(self) -> RunStatus:
        """Return the run's current status; raises MissingError if the app does not know the run."""
        fields = self.connection.api().status(self.id)
        if fields is None:
            raise MissingError(f"The app does not know the run {self.id}", "List the runs with Client.runs()")
        return RunStatus.model_validate(fields)

    def wait(self, on_progress: Callable[[RunStatus], None] = lambda _status: None) -> "Run":
        """Wait until the run has ended, and return it; `on_progress` is called with each status.

        Raises RunEndedError unless it finished, MissingError if it stays unknown, TemporaryError if the app stays away.
        """
        last: dict[str, Any] = {}
        for last in follow(self.connection.api(), self.id):
            on_progress(RunStatus.model_validate(last))
        check_finished(last)
        return self

    def cancel(self) -> RunStatus:
        """End the run; a video that has already been committed is kept."""
        return RunStatus.model_validate(self.connection.api().post(f"runs/{self.id}/cancel"))

    def resubmit(self, which: str = "missing", options: Mapping[str, Any] | None = None) -> "Run":
        """Score again what is "missing", "failed", batches like "0,3", or "all", with other options if given.

        Returns the run that continues: this one, or a new one.
        """
        answer = self.connection.api().post(f"runs/{self.id}/resubmit", resubmit_body(which, options or {}))
        return Run(connection=self.connection, id=str(answer["run_id"]))

    def repaint(self, style: Style, **options: Any) -> "Run":
        """Paint the same input with another style, and with other options if given; returns the new run.

        Only the style's files are uploaded. Raises InputError or MissingError.
        """
        asked = StyledWith(style=style)
        return Run(
            connection=self.connection, id=repaint(self.connection, self.id, asked.files(), asked.fields(), options)
        )

    def download(
        self,
        out: str | Path | None = None,
        *,
        overwrite: bool = False,
        compare: CompareKind | None = None,
        gif: bool = False,
        webp: bool = False,
        report: bool = False,
        records: RecordsFormat | None = None,
    ) -> Path:
        """Write the finished run's video or records, and return the path. See `download_all` for the other options."""
        files = self.download_all(
            out, overwrite=overwrite, compare=compare, gif=gif, webp=webp, report=report, records=records
        )
        return files.out

    def download_all(
        self,
        out: str | Path | None = None,
        *,
        overwrite: bool = False,
        compare: CompareKind | None = None,
        gif: bool = False,
        webp: bool = False,
        report: bool = False,
        records: RecordsFormat | None = None,
    ) -> Result:
        """Write the finished run's video or records, and the files beside it; return all paths.

        `out` is a file or a folder. Default: the output that `Client.paint` was given, else a file with the run's id in
        the working folder. `compare` writes a video of original and painting, "side" by side or with a border that
        moves ("wipe"), `gif` and `webp` a loop of the first three seconds, `report` a folder with report.html and its
        pictures. `records` is the format of records ("jsonl", "csv", "parquet"); default: by the suffix of `out`.
        Raises MissingError if the run has no result, InputError if a file exists.
        """
        derived = choose_derived(compare=compare, gif=gif, webp=webp, report=report)
        storage = self.connection.storage()
        if self.painting is None:
            return write_run(
                storage, self.id, Path(out or Path()), derived=derived, overwrite=overwrite, records=records
            )
        painting = replace(
            self.painting,
            out=Path(out) if out is not None else self.painting.out,
            derived=derived,
            records=records,
            overwrite=overwrite or (out is None and self.painting.overwrite),
        )
        return painting.write_result(storage, self.id, self.status().model_dump())


class Client:
    """A connection to a deployment, or to the local cloud."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def paint(
        self,
        video: str | Path,
        style: Style | None = None,
        *,
        out: str | Path | None = None,
        name: str | None = None,
        overwrite: bool = False,
        key_styles: Mapping[float, Style] | None = None,
        mask: str | Path | None = None,
        **options: Any,
    ) -> Run:
        """Index and upload a video, and start its run.

        `style` is a file, or files with their weights in the mix; `key_styles` are the styles that are reached at times
        in seconds. `mask` is a folder of masks with the names of the frames, or a video. `options` are those of a
        trigger file (docs/options.md). `out` is checked now and written by `Run.download`. Raises InputError or
        MissingError.
        """
        asked = StyledWith(style=style, key_styles=key_styles or {}, mask=None if mask is None else Path(mask))
        painting = describe_painting(Path(video), asked, out=out, name=name, overwrite=overwrite, options=options)
        with tempfile.TemporaryDirectory(prefix="impasto-") as scratch:
            started = start_painting(painting, self.connection, scratch=Path(scratch), display=QuietDisplay())
        return Run(connection=self.connection, id=started.run_id, painting=painting)

    def run(self, run_id: str) -> Run:
        """Return the run with this id, without asking the app; raises InputError if it is no run id."""
        return Run(connection=self.connection, id=ids.check_run_id(run_id))

    def runs(self, *, limit: int | None = None, **filters: str | None) -> list[RunRow]:
        """Return the runs, newest first; filters are `status`, `name`, `label` and `since` (see GET /api/runs)."""
        return [RunRow.model_validate(row) for row in self.connection.api().runs(limit=limit, **filters)]

    def preflight(self) -> Preflight:
        """Return every check of the deployment, and whether a run can succeed."""
        return Preflight.model_validate(self.connection.api().preflight())


@dataclass(frozen=True, kw_only=True)
class StyledWith:
    """The files that a painting is asked for with."""

    style: Style | None = None
    key_styles: Mapping[float, Style] = field(default_factory=dict)
    mask: Path | None = None

    def files(self) -> list[Path]:
        """Return all style files, each once."""
        styles = [self.style, *self.key_styles.values()]
        return list(dict.fromkeys(Path(file) for style in styles if style is not None for file in _weights(style)))

    def fields(self) -> dict[str, Any]:
        """Return the fields of the trigger file."""
        fields: dict[str, Any] = {} if self.style is None else {"style": _by_name(self.style)}
        if self.key_styles:
            keyframes = sorted(self.key_styles.items())
            fields["key_styles"] = [{"at": seconds, "style": _by_name(style)} for seconds, style in keyframes]
        if self.mask is not None:
            fields["mask"] = ids.name_from(self.mask.name)
        return fields


def _weights(style: Style) -> Mapping[Any, float]:
    """Return the style's files and their weights."""
    return style if isinstance(style, Mapping) else {style: 1.0}


def _by_name(style: Style) -> str | dict[str, float]:
    """Return a style as trigger files name it."""
    weights = {ids.name_from(Path(file).name): weight for file, weight in _weights(style).items()}
    return weights if isinstance(style, Mapping) else next(iter(weights))


def describe_painting(
    video: Path,
    asked: StyledWith,
    *,
    out: str | Path | None,
    name: str | None,
    overwrite: bool,
    options: Mapping[str, Any],
) -> Painting:
    """Return the painting that `Client.paint` is asked for, checked; raises InputError or MissingError."""
    try:
        trigger = Trigger.model_validate({**options, **asked.fields(), **video_fields(video, options.get("source"))})
    except ValidationError as error:
        raise InputError(*explain_validation_error(error, "options", Trigger)) from None
    run_name = name or ids.name_from(video.stem)
    return Painting(
        video=video,
        out=Path(out) if out is not None else default_output(video, trigger),
        trigger=trigger,
        extras=extra_files(asked.files(), asked.mask),
        folder=run_name,
        name=run_name,
        overwrite=overwrite,
    ).checked()
