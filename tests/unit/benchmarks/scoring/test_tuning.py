"""The table of recipes of tuning: seconds of both, and ratios of their losses in the order of the columns."""

from benchmarks.losses import COLUMNS
from benchmarks.tuning import REFERENCES, Measured, row
from scoring.training.tune import TuningConfig


def test_row_has_the_times_and_the_ratios_of_shipped_over_reference() -> None:
    count = len(COLUMNS)
    reference = Measured(seconds=300, cpu_seconds=580, losses=(2.0,) * count)
    shipped = Measured(seconds=150, cpu_seconds=270, losses=tuple(float(place) for place in range(count)))
    cells = row("wave", reference, shipped).strip("| ").split(" | ")
    assert cells == ["wave", "300 s (580 s CPU)", "150 s (270 s CPU)", *(f"{place / 2:.3f}" for place in range(count))]


def test_references_are_what_tuning_did_before() -> None:
    shipped = TuningConfig()
    differing = {
        name: {field for field, value in vars(reference).items() if value != getattr(shipped, field)}
        for name, reference in REFERENCES.items()
    }
    alone = {"steps", "gram_rate", "content_tolerance", "grid_weight"}
    assert differing == {"alone": alone, "large": alone | {"side", "squares_per_step"}}
