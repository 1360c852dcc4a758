"""Which pictures and videos of a run the page shows: links to blobs that exist."""

from dataclasses import dataclass

from frame_tools.contracts import paths
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from orchestration.app import App

BROWSER_VIDEOS = (".mp4", ".mov", ".m4v", ".webm", ".mkv")
"""Files that browsers may play; whether they do depends on the codec."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A frame before and after painting; `number` counts from 1."""

    number: int
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Small pictures that tasks have written so far: pairs in the order of the frames, and the run's first painting."""

    pairs: tuple[Pair, ...]
    style: str


def read_pictures(app: App, run_id: str, parent: str | None = None) -> Pictures:
    """Return links to what tasks have written so far.

    A run that redoes a part of another one has the other pairs in the folder of that run.
    """
    pairs: dict[int, Pair] = {}
    style = ""
    for owner in filter(None, (parent, run_id)):
        prefix = RunPaths(owner).pairs
        names = {item.name for item in app.storage.work.list(prefix)}
        style_picture = RunPaths(owner).style_picture
        style = _work_link(app, style_picture) if style_picture in names else style
        for name in sorted(names):
            number, _, side = name.removeprefix(prefix).partition("-")
            after = RunPaths(owner).pair(int(number), "after") if number.isdecimal() else ""
            if side == "before.jpg" and after in names:
                pairs[int(number)] = Pair(
                    number=int(number) + 1, before=_work_link(app, name), after=_work_link(app, after)
                )
    return Pictures(pairs=tuple(pairs[number] for number in sorted(pairs)), style=style)


def _work_link(app: App, name: str) -> str:
    return app.links.view(paths.WORK, name, now=app.clock.now())


def output_link(app: App, name: str, *, download: str = "") -> str:
    """Return the link of a blob in `output`."""
    return app.links.view(paths.OUTPUT, name, now=app.clock.now(), download=download)


def clip_link(app: App, request: Request | None) -> str:
    """Return the link of the uploaded clip; empty for a run of frames, and for files that no browser plays."""
    video = request.trigger.video if request is not None else None
    if request is None or video is None or not video.lower().endswith(BROWSER_VIDEOS):
        return ""
    return app.links.view(paths.INPUT, paths.input_blob(request.folder, video), now=app.clock.now())


def sheet_link(app: App, run_id: str) -> str:
    """Return the link of the sheet of a finished run; empty if there is none."""
    sheet = RunPaths(run_id).picture("sheet")
    return output_link(app, sheet) if app.storage.output.exists(sheet) else ""
