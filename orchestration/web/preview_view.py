"""A preview as the page shows it, and what one would take before it is ordered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from azure.core.exceptions import AzureError

from frame_tools.contracts import paths
from frame_tools.contracts.choices import StrokeName
from frame_tools.contracts.errors import ImpastoError, sentence
from frame_tools.contracts.options import STROKE_SIZES, Options
from frame_tools.contracts.preview_call import PreviewAnswer, PreviewCell
from frame_tools.contracts.preview_paths import check_preview_id
from frame_tools.contracts.preview_task import MAX_FRAMES, MAX_PAINTINGS
from frame_tools.costs import model
from frame_tools.costs.throughput import device_throughput
from orchestration.app import App
from orchestration.previews.answer import describe
from orchestration.previews.decide import WAITING, WAITING_LOCALLY
from orchestration.previews.scheduling import need_state
from orchestration.reporting.clip_estimate import is_local, read_pool
from orchestration.web.estimate import MAX_SIDE, SCORER, number
from orchestration.web.text import count_text, duration_text, title_of, usd_text

STRENGTH_NAMES: Final = {0.4: "Subtle", 0.7: "Balanced", 1.0: "Full"}
MEASURED_TWICE: Final = 2
"""Each frame passes through the network for the statistics, too."""
WAITING_POLL: Final = 5
"""Seconds between two requests while a GPU starts, which takes minutes."""
REASONS: Final = {
    WAITING: "Waiting for a GPU · usually 5–10 min. The previews appear here.",
    WAITING_LOCALLY: "The preview is about to start.",
}


@dataclass(frozen=True, kw_only=True)
class CellView:
    """A look in the sheet."""

    id: str
    title: str
    painting: str
    strength: float
    strokes: StrokeName
    how: str
    """Strength and strokes, for people."""
    shown: str
    """Address of the picture in the sheet; empty while it is not painted."""
    pictures: str
    """Addresses of all frames, separated by spaces; empty until all are painted."""


@dataclass(frozen=True, kw_only=True)
class RowView:
    """The looks of one painting with one size of strokes."""

    title: str
    thumbnail: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True, kw_only=True)
class PreviewView:
    """All of the sheet."""

    preview_id: str
    is_open: bool
    poll_seconds: int
    """After which it is asked for again while it is open."""
    done: int
    total: int
    clip: PreviewAnswer
    state: str
    """How far it is, for people."""
    error: str
    originals: str
    """Addresses of the clip's frames, separated by spaces."""
    shown_original: str
    columns: tuple[str, ...]
    sheets: Mapping[StrokeName, Sequence[RowView]]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a preview would take."""

    looks: str
    time: str
    cost: str
    wait: str


def read_preview(app: App, preview_id: str) -> PreviewView:
    """Return the sheet of a preview; raises InputError for what is no id, MissingError for an unknown one."""
    state = need_state(app, check_preview_id(preview_id))
    answer, order = describe(app, state), state.order
    now = app.clock.now()
    thumbnails = {each.name: app.links.view(paths.INPUT, each.blob, now=now) for each in order.paintings}
    cells = [_cell(number, cell) for number, cell in enumerate(answer.cells)]
    sheets: dict[StrokeName, list[RowView]] = {}
    for (strokes, painting), row in groupby(cells, key=lambda cell: (cell.strokes, cell.painting)):
        view = RowView(title=title_of(painting), thumbnail=thumbnails[painting], cells=tuple(row))
        sheets.setdefault(strokes, []).append(view)
    return PreviewView(
        preview_id=preview_id,
        is_open=answer.status in ("waiting", "painting"),
        poll_seconds=WAITING_POLL if answer.reason == WAITING else 1,
        done=answer.done,
        total=len(cells),
        clip=answer,
        state=_state(answer),
        error=f"{sentence(answer.reason)} {sentence(answer.remedy)}" if answer.status == "failed" else "",
        originals=" ".join(filter(None, answer.originals)) if all(answer.originals) else "",
        shown_original=_middle(answer.originals),
        columns=tuple(_column(strength) for strength in order.strengths),
        sheets={strokes: sheets[strokes] for strokes in STROKE_SIZES if strokes in sheets},
    )


def _state(answer: PreviewAnswer) -> str:
    total = len(answer.cells)
    if answer.status == "finished":
        return f"{total} previews, painted in {_seconds_text(answer.seconds or 0.0)}"
    if answer.status == "painting":
        return f"Painting {total} previews… {answer.done} done"
    return REASONS.get(answer.reason, "") if answer.status == "waiting" else "The preview failed."


def _seconds_text(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 59.5 else duration_text(seconds)


def _cell(number: int, cell: PreviewCell) -> CellView:
    return CellView(
        id=f"look-{number}",
        title=title_of(cell.painting),
        painting=cell.painting,
        strength=cell.strength,
        strokes=cell.strokes,
        how=f"{cell.strength:.0%}, {cell.strokes} strokes".replace("%", " %"),
        shown=_middle(cell.pictures),
        pictures=" ".join(filter(None, cell.pictures)) if all(cell.pictures) else "",
    )


def _middle(pictures: Sequence[str | None]) -> str:
    return pictures[len(pictures) // 2] or ""


def _column(strength: float) -> str:
    percent = f"{100 * strength:.0f} %"
    return f"{STRENGTH_NAMES[strength]} · {percent}" if strength in STRENGTH_NAMES else percent


def offer(app: App, query: Mapping[str, Sequence[str]]) -> Offer:
    """Return what a preview of a clip would take: three strengths and all sizes of strokes for each painting.

    Raises InputError for values that are no numbers.
    """
    width, height = number(query, "width", MAX_SIDE), number(query, "height", MAX_SIDE)
    paintings = number(query, "paintings", MAX_PAINTINGS)
    pool = read_pool(app)
    device = "cpu" if (here := is_local(app, pool)) else "gpu"
    speeds = [
        device_throughput(device, width=width, height=height, options=Options(scorer=SCORER, strokes=strokes))
        for strokes in STROKE_SIZES
    ]
    frames_seconds = sum(speed.seconds_per_frame for speed in speeds) * paintings * MAX_FRAMES * MEASURED_TWICE
    seconds = speeds[0].start_up_seconds + frames_seconds
    looks = f"{count_text(paintings * len(STROKE_SIZES) * len(STRENGTH_NAMES))} previews"
    if here:
        return Offer(looks=looks, time=f"about {duration_text(seconds)}", cost="on this computer", wait="")
    is_ready = _has_idle_node(app)
    billed = seconds if is_ready else seconds + model.BOOT_SECONDS + model.RELEASE_SECONDS
    hour_usd = app.settings.price_table.hour_usd(pool.vm_size, spot=True) if pool else None
    return Offer(
        looks=looks,
        time=f"about {duration_text(seconds)}",
        cost="" if hour_usd is None else usd_text(hour_usd * billed / 3600),
        wait="a GPU is ready" if is_ready else "a GPU has to start first, usually 5–10 min",
    )


def _has_idle_node(app: App) -> bool:
    """Return whether a node waits for work; False if Batch does not say."""
    try:
        return app.batch.node_counts().idle > 0
    except (AzureError, ImpastoError):
        return False
