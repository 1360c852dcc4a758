"""The distribution's Chromium for tests and screenshots; playwright's wheel brings no browser."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium; it needs the distribution's package of this name."""
    program = shutil.which("chromium")
    assert program, "install the package chromium of the distribution"
    with sync_playwright() as playwright:
        # Only pages of this machine are loaded, and CI runs as root, for whom the sandbox does not start.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
