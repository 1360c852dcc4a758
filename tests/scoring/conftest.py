"""Fixtures of the scoring tests; see tests/unit/scoring/conftest.py."""

from tests.unit.scoring.conftest import noise, pytest_make_collect_report, score, scorer, weights

__all__ = ["noise", "pytest_make_collect_report", "score", "scorer", "weights"]
