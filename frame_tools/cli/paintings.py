"""The paintings that options on the command line describe: built and checked, then painted with progress."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from frame_tools.cli.interrupt import following
from frame_tools.cli.options import build_trigger, mask_name, parse_arguments, parse_style, parse_styles
from frame_tools.client.connection import Connection
from frame_tools.client.derived_files import DerivedFiles
from frame_tools.client.output_path import CONTAINERS, RecordsFormat, check_target
from frame_tools.client.painting import Painting, default_output, video_fields
from frame_tools.client.progress import Display
from frame_tools.client.upload import count_text
from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError

WORTH_TELLING: Final = 1.5
"""Factor of the time from which the cost of strokes is told."""


@dataclass(frozen=True, kw_only=True)
class StyleOptions:
    """The options with a syntax of their own on the command line."""

    style: list[str] | None = None
    key_style: list[str] | None = None
    mask: Path | None = None
    arguments: list[str] | None = None


def build_painting(
    video: Path,
    out: Path | None,
    styles: StyleOptions,
    options: Mapping[str, Any],
    *,
    name: str | None = None,
    folder: str | None = None,
    overwrite: bool = False,
    derived: DerivedFiles | None = None,
    records: RecordsFormat | None = None,
) -> Painting:
    """Return the painting that the options describe, checked; raises InputError or MissingError.

    `folder` is the folder in `input`, if it is not the name.
    """
    from frame_tools.client.upload import extra_files

    style_fields, style_files = parse_styles(styles.style, styles.key_style)
    fields = {**style_fields, "mask": mask_name(styles.mask), "arguments": parse_arguments(styles.arguments)}
    trigger = build_trigger({**options, **fields, **video_fields(video, options.get("source"))})
    run_name = name or ids.name_from(video.stem)
    return Painting(
        video=video,
        out=out or default_output(video, trigger),
        trigger=trigger,
        extras=extra_files(style_files, styles.mask),
        folder=folder or run_name,
        name=run_name,
        overwrite=overwrite,
        derived=derived or DerivedFiles(),
        records=records,
    ).checked()


def style_mixes(styles: StyleOptions) -> list[StyleOptions]:
    """Return the style options of each painting: one for each style, or one for a mix and for styles over time."""
    texts = styles.style or []
    is_mix = styles.key_style or any(parse_style(text).weight is not None for text in texts)
    if is_mix or len(texts) < 2:
        return [styles]
    return [replace(styles, style=[text]) for text in dict.fromkeys(texts)]


def build_paintings(
    sources: Sequence[Path],
    mixes: Sequence[StyleOptions],
    options: Mapping[str, Any],
    *,
    folder: Path,
    name: str | None = None,
    overwrite: bool = False,
    derived: DerivedFiles | None = None,
    records: RecordsFormat | None = None,
) -> list[Painting]:
    """Return every video in every style, checked; their outputs are in `folder`.

    Raises InputError if `folder` names a file, if --name is given, if two outputs would get the same name, or if an
    output exists that no earlier command wrote, without `overwrite`.
    """
    from frame_tools.client.journal import Journal
    from frame_tools.client.many import find_videos

    if name is not None:
        raise InputError("--name names one run", "Leave it out for several paintings, and use --label.")
    if folder.is_file() or folder.suffix.lower() in CONTAINERS:
        raise InputError(f"The output {folder} is not a folder", "Give the name of a folder for several paintings.")
    videos = find_videos(sources)
    names = unique_names(videos)
    paintings = [
        _in_folder(
            build_painting(video, None, mix, options, name=names[video], overwrite=True, records=records),
            folder,
            derived,
        )
        for video in videos
        for mix in mixes
    ]
    outputs = Counter(painting.out for painting in paintings)
    for out, count in outputs.items():
        if count > 1:
            raise InputError(f"{count} paintings would be written to {out}", "Rename the videos or the styles.")
    journal = Journal(folder)
    for painting in paintings:
        if not journal.has(painting):
            check_target(painting.out, overwrite=overwrite)
            painting.derived.check(painting.out, overwrite=overwrite)
    return paintings


def _in_folder(painting: Painting, folder: Path, derived: DerivedFiles | None) -> Painting:
    """Return the painting with its output in `folder` and a trigger of its own for each style."""
    out = folder / painting.out.name
    label = out.stem.removeprefix(f"{painting.video.stem}_")
    name = ids.name_from(f"{painting.folder} {label}")
    return replace(painting, out=out, name=name, overwrite=True, derived=derived or DerivedFiles()).checked()


def unique_names(videos: Sequence[Path]) -> dict[Path, str]:
    """Return a name for each video: its stem, or its whole name where stems are the same."""
    stems = Counter(ids.name_from(video.stem) for video in videos)
    return {
        video: ids.name_from(video.stem if stems[ids.name_from(video.stem)] == 1 else video.name) for video in videos
    }


def start_text(paintings: Sequence[Painting]) -> str:
    """Return what is about to be painted, and how it is watched and cancelled from elsewhere."""
    videos = len({painting.video for painting in paintings})
    text = f"{count_text(len(paintings), 'painting')} of {count_text(videos, 'video')}"
    label = paintings[0].trigger.label
    return f"{text} (watch: impasto watch --label {label}, cancel: impasto cancel --label {label})" if label else text


def run_paintings(
    paintings: Sequence[Painting],
    connection: Connection,
    *,
    folder: Path,
    display: Display,
    scratch: Path | None,
    jobs: int,
) -> Path:
    """Paint all of them, explain Ctrl-C, write index.html and runs.csv; returns the path of the page.

    Raises InputError if some failed.
    """
    from frame_tools.client.gallery import write_gallery
    from frame_tools.client.many import ManyPaintings, worst_error

    display.report("started", start_text(paintings), paintings=len(paintings), folder=str(folder))
    with tempfile.TemporaryDirectory(prefix="impasto-") as temporary:
        many = ManyPaintings(
            paintings, connection, folder=folder, scratch=scratch or Path(temporary), display=display, jobs=jobs
        )
        with following(connection, many.open_runs):
            outcomes = many.run()
    page = write_gallery(folder, outcomes, title=folder.resolve().name)
    counts = Counter(outcome.status for outcome in outcomes)
    text = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    display.report("ended", f"{text}. Look: {page}", page=str(page), **counts)
    error = worst_error(outcomes)
    if error is not None:
        raise error
    return page


def stroke_note(painting: Painting) -> str:
    """Return what people should know of strokes that take much longer than the default ones; empty for others."""
    from frame_tools.costs.estimate import probe_video
    from frame_tools.costs.throughput import stroke_factor

    strokes = painting.trigger.strokes
    if strokes is None:
        return ""
    info = probe_video(painting.video)
    factor = stroke_factor(info.width, info.height, painting.trigger)
    if factor is None or factor < WORTH_TELLING:
        return ""
    return f"Note: strokes {strokes} take about {factor:.1f} times as long as the default; see impasto preview."


def run_painting(
    painting: Painting, connection: Connection, *, display: Display, scratch: Path | None, is_kept: bool = True
) -> Path:
    """Paint, explain Ctrl-C, and report the result; returns its path: records never get the suffix of a video.

    `is_kept` says whether the cloud still has the run afterwards.
    """
    from frame_tools.client.workflow import paint as paint_video

    if note := stroke_note(painting):
        display.print(note)
    started: list[str] = []
    with following(connection, lambda: started), tempfile.TemporaryDirectory(prefix="impasto-") as temporary:
        summary = paint_video(
            painting, connection, scratch=scratch or Path(temporary), display=display, on_start=started.append
        )
    text = f"{summary.text} {summary.next_command}" if is_kept else summary.text
    display.report("finished", text, **summary.fields())
    return summary.out
