"""The table of recipes of tuning: seconds of both, and ratios of their losses in the order of the columns."""

from benchmarks.losses import COLUMNS
from benchmarks.tuning import REFERENCE, Measured, row
from scoring.training.tune import TuningConfig


def test_row_has_the_times_and_the_ratios_of_shipped_over_reference() -> None:
    reference = Measured(seconds=300, cpu_seconds=580, losses=(2.0, 0.25, 1e-5, 1e-3, 4e-4))
    shipped = Measured(seconds=150, cpu_seconds=270, losses=(2.0, 0.5, 1e-5, 5e-4, 5e-4))
    cells = row("wave", reference, shipped).strip("| ").split(" | ")
    assert cells == ["wave", "300 s (580 s CPU)", "150 s (270 s CPU)", "1.000", "2.000", "1.000", "0.500", "1.250"]
    assert len(cells) == 3 + len(COLUMNS)


def test_reference_differs_from_the_shipped_recipe_in_its_squares_only() -> None:
    shipped = TuningConfig()
    differing = {name for name, value in vars(REFERENCE).items() if value != getattr(shipped, name)}
    assert differing == {"side", "squares_per_step"}
