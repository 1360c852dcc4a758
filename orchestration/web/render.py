"""Templates: every value is escaped, and a name that a template does not get is an error."""

from functools import cache
from typing import Any

from jinja2 import Environment

from frame_tools.contracts.version import IMPASTO_VERSION
from orchestration.app import page_sign_in
from orchestration.reporting.page import template_environment
from orchestration.web import text
from orchestration.web.assets import assets


@cache
def _environment() -> Environment:
    environment = template_environment("orchestration.web")
    environment.globals |= {"asset": lambda name: assets().url(name), "version": IMPASTO_VERSION}
    environment.globals |= {"has_entra": lambda: page_sign_in() == "entra"}
    environment.filters |= {
        "count": text.count_text,
        "frames": text.frames_text,
        "usd": text.usd_text,
        "duration": text.duration_text,
        "day": text.date_text,
    }
    return environment


def render(template: str, **values: Any) -> str:
    """Return a template with its values filled in."""
    return _environment().get_template(f"{template}.html.jinja").render(**values)
