"""Pictures of the page for the documentation: `make screenshots`. Runs are invented, pictures are the sample's."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Final
from unittest.mock import patch

from PIL import Image
from playwright.sync_api import Browser

from frame_tools.contracts.preview_paths import PreviewPaths
from orchestration.web import functions
from tests.support.chromium import chromium
from tests.support.memory_world import InMemoryCloud
from tests.support.page_runs import STATIC, PageRuns, fill
from tests.support.page_server import links_of, serving
from tests.support.preview_node import finish_preview, read_order
from tests.support.world import World

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


def take_all(browser: Browser, url: str, world: World, runs: PageRuns) -> None:
    """Write all pictures to docs/page."""
    FOLDER.mkdir(exist_ok=True)
    save(take_looks(browser, url, world), "looks")
    for name, path, ready, scheme, size in (
        ("start", "/ui", ".hello", "light", (1280, 760)),
        ("runs", "/ui/runs", "#rows", "light", (1280, 980)),
        ("run", f"/ui/runs/{runs.painting}", "#progress", "dark", (1280, 900)),
        ("health", "/ui/health", ".checks", "light", (1280, 900)),
        ("phone", f"/ui/runs/{runs.failed}", ".wrong", "light", (390, 844)),
    ):
        save(take(browser, url + path, ready, scheme=scheme, size=size), name)


def save(screenshot: Image.Image, name: str) -> None:
    """Write a picture to docs/page, at most 1000 pixels wide."""
    picture = screenshot.convert("RGB")
    width = min(WIDTH, picture.width)
    picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    picture.save(FOLDER / f"{name}.webp", quality=80, method=6)


def take_looks(browser: Browser, url: str, world: World) -> Image.Image:
    """Return a picture of a finished preview of the sample; the looks are the example, blended with the clip."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(f"{url}/ui")
    tab.get_by_role("button", name="Sample painting").click()
    tab.get_by_role("button", name="Sailing home").click()
    tab.get_by_role("button", name="Preview", exact=True).click()
    tab.wait_for_selector("#sheet[data-preview]")
    preview_id = str(tab.get_attribute("#sheet", "data-preview"))
    finish_preview(world.storage, preview_id)
    before, after = (Image.open(STATIC / f"example_{side}.webp").convert("RGB") for side in ("before", "after"))
    names, looks = PreviewPaths(preview_id), read_order(world.storage, preview_id).looks
    pictures = {names.original(frame): before for frame in range(3)}
    for number, look in enumerate(looks):
        blended = Image.blend(before, after, look.strength)
        pictures |= {names.cell(number, frame): blended for frame in range(3)}
    for name, picture in pictures.items():
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=90)
        world.storage.work.write(name, out.getvalue())
    tab.wait_for_selector("#sheet[aria-busy=false]")
    tab.wait_for_function("() => document.querySelector('#go').textContent === 'Paint 96 frames'")
    tab.reload()
    tab.wait_for_selector("#sheet[aria-busy=false]")
    tab.wait_for_function("() => document.querySelector('#go').textContent === 'Paint 96 frames'")
    tab.wait_for_function("() => [...document.images].every((image) => image.complete)")
    picture = Image.open(io.BytesIO(tab.screenshot()))
    context.close()
    return picture


def main() -> None:
    """Take the pictures of an app with storage in memory."""
    world = InMemoryCloud().world(browser_uploads=True, monthly_budget_usd=50.0)
    runs = fill(world)
    with serving(world) as server, chromium() as browser:
        app = replace(world.app, links=links_of(server))
        with patch.object(functions, "application", lambda: app):
            take_all(browser, server.url, world, runs)


if __name__ == "__main__":
    main()
