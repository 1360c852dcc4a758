"""How long a clip would take and what it would cost, before anything is uploaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.options import STROKE_SIZES, Options
from frame_tools.costs.throughput import tuning_seconds
from orchestration.app import App
from orchestration.reporting.clip_estimate import Clip, estimate_clip, is_local, read_pool
from orchestration.web.text import duration_text, frames_text, usd_text

SCORER: Final = "any"
MAX_SIDE: Final = 8192
MAX_RUNS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What the bar above the button says."""

    frames: str
    time: str
    cost: str
    hint: str
    button: str


def estimate(app: App, query: Mapping[str, Sequence[str]]) -> Estimate:
    """Return the estimate for a clip and its runs, one for each value of `strokes` and each of `paintings` paintings.

    Raises InputError for values that are no numbers, and for unknown strokes.
    """
    frames, width = number(query, "frames", app.settings.max_frames), number(query, "width", MAX_SIDE)
    height, paintings = number(query, "height", MAX_SIDE), number(query, "paintings", MAX_RUNS)
    about = "about " if query.get("exact", ["1"])[0] == "0" else ""
    pool, options = read_pool(app), _options(query)
    clips = [Clip(frames=frames, width=width, height=height, options=each) for each in options]
    estimates = [estimate_clip(app, pool, clip) for clip in clips]
    here, runs = is_local(app, pool), paintings * len(clips)
    # A pool paints all runs at the same time; here they follow each other, and the first one tunes for the others.
    repeated = tuning_seconds("cpu", int(options[0].tune)) * (len(clips) - 1)
    seconds = [each.seconds for each in estimates]
    total_seconds = paintings * (sum(seconds) - repeated) if here else max(seconds)
    usd = [each.usd for each in estimates if each.usd is not None]
    cost = usd_text(paintings * sum(usd)) if len(usd) == len(clips) else ""
    total = frames_text(runs * frames)
    return Estimate(
        frames=about + (total if runs == 1 else f"{runs} runs, {total}"),
        time=f"about {duration_text(total_seconds)}",
        cost="on this computer" if here else cost,
        hint="" if here else "plus 5–10 min if a GPU has to start",
        button=f"Paint {about}{total}",
    )


def number(query: Mapping[str, Sequence[str]], name: str, maximum: int) -> int:
    """Return a number from 1 to `maximum`; raises InputError for any other value."""
    text = query.get(name, [""])[0]
    if not text.isdecimal() or not 1 <= int(text) <= maximum:
        raise InputError(f"{name} is a number from 1 to {maximum}, not {text[:20]!r}", "Choose another clip.")
    return int(text)


def _options(query: Mapping[str, Sequence[str]]) -> list[Options]:
    """Return the options that change how long each run takes; raises InputError for unknown strokes."""
    strokes = [each for each in query.get("strokes", ()) if each][:MAX_RUNS]
    for each in strokes:
        if each not in STROKE_SIZES:
            message = f"strokes is one of {', '.join(STROKE_SIZES)}, not {each[:20]!r}"
            raise InputError(message, "Choose other strokes.")
    common = {"scorer": SCORER, "tune": query.get("tune", [""])[0] == "1"}
    chosen = [common | {"strokes": each} for each in strokes] or [common]
    return [Options.model_validate(each).with_default_strokes for each in chosen]
