"""The table of recipes of tuning: seconds of both, and ratios of their losses in the order of the columns."""

from benchmarks.losses import COLUMNS
from benchmarks.tuning import REFERENCE, Measured, row
from scoring.training.tune import TuningConfig


def test_row_has_the_times_and_the_ratios_of_shipped_over_reference() -> None:
    count = len(COLUMNS)
    reference = Measured(seconds=300, cpu_seconds=580, losses=(2.0,) * count)
    shipped = Measured(seconds=150, cpu_seconds=270, losses=tuple(float(place) for place in range(count)))
    cells = row("wave", reference, shipped).strip("| ").split(" | ")
    assert cells == ["wave", "300 s (580 s CPU)", "150 s (270 s CPU)", *(f"{place / 2:.3f}" for place in range(count))]


def test_reference_differs_from_the_shipped_recipe_in_its_squares_only() -> None:
    shipped = TuningConfig()
    differing = {name for name, value in vars(REFERENCE).items() if value != getattr(shipped, name)}
    assert differing == {"side", "squares_per_step"}
