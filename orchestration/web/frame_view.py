"""One frame of a run before and after painting, for the scrubber of a run without a video."""

import json

from frame_tools.contracts.calls import FramesQuery
from frame_tools.contracts.errors import MissingError
from orchestration.app import App
from orchestration.reporting.frames import frames_page


def frame_json(app: App, run_id: str, number: int) -> str:
    """Return links to a frame, which counts from 1, as JSON; null for a picture that does not exist (any more).

    Raises MissingError if the run, or the frame, does not exist.
    """
    query = FramesQuery(limit=1, after=str(number - 2) if number > 1 else None)
    page = frames_page(app, run_id, query)
    if page is None or not page.frames or number < 1:
        raise MissingError(f"The run {run_id} has no frame {number}", "Load the page again.")
    (frame,) = page.frames
    return json.dumps({"number": frame.index + 1, "before": frame.before, "after": frame.after})
