"""The options of a plan: explicit values for everything that has a default, which may change under an open run."""

from typing import Final

from frame_tools.contracts.choices import FrameOrigin
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import Plan, Request

STROKES_VERSION: Final = 3
"""Version of requests from which on the option `strokes` has a default."""
CALM_VERSION: Final = 4
"""Version of requests from which on the option `calm` has a default."""


def planned_options(request: Request, earlier: Plan | None, source: FrameOrigin = "frames") -> Options:
    """Return the options with explicit values for defaults, which may change under an open run or depend on others.

    Requests from before `strokes` had a default keep the video's own size, those from before `calm` are not calmed, and
    so are runs created from such a run.
    """
    options = Options(**{name: getattr(request.trigger, name) for name in Options.model_fields})
    keeps_frames = source == "frames" if options.keep_frames is None else options.keep_frames
    explicit = {"temporal_smoothing": options.smoothing_weight, "keep_frames": keeps_frames}
    options = options.model_copy(update=explicit)
    is_calm = earlier is None or earlier.options.with_default_calm == earlier.options
    if request.version >= CALM_VERSION and is_calm:
        options = options.with_default_calm
    keeps_size = request.version < STROKES_VERSION or (
        earlier is not None and earlier.options.with_default_strokes != earlier.options
    )
    return options if keeps_size else options.with_default_strokes
