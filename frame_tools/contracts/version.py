"""Impasto's version, which plans and reports name; the same as in pyproject.toml, a test compares."""

from typing import Final

IMPASTO: Final = "0.1.0"
