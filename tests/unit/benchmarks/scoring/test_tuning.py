"""The table of recipes of tuning: seconds of both, and ratios of their losses in the order of the columns."""

import pytest

from benchmarks.losses import COLUMNS
from benchmarks.tuning import REFERENCES, Measured, row
from scoring.training.tune import TuningConfig


def test_row_has_the_times_and_the_ratios_of_shipped_over_reference() -> None:
    count = len(COLUMNS)
    reference = Measured(seconds=300, cpu_seconds=580, losses=(2.0,) * count)
    shipped = Measured(seconds=150, cpu_seconds=270, losses=tuple(float(place) for place in range(count)))
    cells = row("wave", reference, shipped).strip("| ").split(" | ")
    assert cells == ["wave", "300 s (580 s CPU)", "150 s (270 s CPU)", *(f"{place / 2:.3f}" for place in range(count))]


@pytest.mark.parametrize(
    ("name", "expected"), [("large", {"side", "squares_per_step", "gram_rate"}), ("alone", {"gram_rate"})]
)
def test_references_differ_from_the_shipped_recipe_in_their_squares_and_how_they_compare_them(
    name: str, expected: set[str]
) -> None:
    shipped = TuningConfig()
    assert {field for field, value in vars(REFERENCES[name]).items() if value != getattr(shipped, field)} == expected
