"""Pictures of the page for the documentation: `make screenshots`. Runs are invented, pictures are the sample's."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Final
from unittest.mock import patch

from PIL import Image
from playwright.sync_api import Browser

from orchestration.web import functions
from tests.support.chromium import chromium
from tests.support.memory_world import InMemoryCloud
from tests.support.page_runs import PageRuns, fill
from tests.support.page_server import links_of, serving

FOLDER: Final = Path(__file__).parents[2] / "docs" / "page"
WIDTH: Final = 1000
"""Width of the pictures, in pixels."""


def take(browser: Browser, url: str, ready: str, *, scheme: str, size: tuple[int, int]) -> Image.Image:
    """Return a picture of a screen as soon as an element is there and all pictures are loaded."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    tab = context.new_page()
    tab.goto(url)
    tab.wait_for_selector(ready)
    tab.wait_for_function("() => [...document.images].every((image) => image.complete)")
    tab.evaluate("() => document.fonts.ready.then(() => true)")
    picture = Image.open(io.BytesIO(tab.screenshot()))
    context.close()
    return picture


def take_all(browser: Browser, url: str, runs: PageRuns) -> None:
    """Write all pictures to docs/page."""
    FOLDER.mkdir(exist_ok=True)
    for name, path, ready, scheme, size in (
        ("start", "/ui", ".hello", "light", (1280, 760)),
        ("runs", "/ui/runs", "#rows", "light", (1280, 980)),
        ("run", f"/ui/runs/{runs.painting}", "#progress", "dark", (1280, 900)),
        ("health", "/ui/health", ".checks", "light", (1280, 900)),
        ("phone", f"/ui/runs/{runs.failed}", ".wrong", "light", (390, 844)),
    ):
        picture = take(browser, url + path, ready, scheme=scheme, size=size).convert("RGB")
        width = min(WIDTH, picture.width)
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        picture.save(FOLDER / f"{name}.webp", quality=80, method=6)


def main() -> None:
    """Take the pictures of an app with storage in memory."""
    world = InMemoryCloud().world()
    runs = fill(world)
    with serving(world) as server, chromium() as browser:
        app = replace(world.app, links=links_of(server))
        with patch.object(functions, "application", lambda: app):
            take_all(browser, server.url, runs)


if __name__ == "__main__":
    main()
