"""Impasto's version, which documents and reports record. It equals the one in pyproject.toml; a test compares them."""

from typing import Final

IMPASTO_VERSION: Final = "0.1.0"
