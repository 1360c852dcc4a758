"""The screens: HTML without data, which everybody may read."""

from frame_tools.contracts import ids
from frame_tools.contracts.errors import MissingError
from orchestration.app import App
from orchestration.web.parts import Answer
from orchestration.web.render import render
from orchestration.web.text import GROUPS

SCREENS = ("start", "runs", "health")


def screen(app: App, name: str) -> Answer:
    """Return a screen; raises MissingError if there is none of this name."""
    if name not in SCREENS:
        raise MissingError(f"There is no page {name[:40]!r}", "Go to /ui.")
    return Answer(render(name, here=name, place=_place(app), groups=GROUPS))


def run_screen(app: App, run_id: str) -> Answer:
    """Return the screen of a run, whether it exists or not; raises InputError for what is no run id."""
    return Answer(render("run", here="runs", place=_place(app), run_id=ids.check_run_id(run_id)))


def _place(app: App) -> str:
    return "This computer" if app.settings.batch_is_local else "Azure"
