"""Fixtures of the benchmark tests; they run in the scorer's environment."""

from tests.unit.scoring.conftest import pytest_make_collect_report, weights

__all__ = ["pytest_make_collect_report", "weights"]
