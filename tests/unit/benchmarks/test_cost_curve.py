"""docs/cost.svg and the table in docs/cost.md are what `benchmarks.cost_curve` writes."""

from benchmarks import cost_curve


def test_best_batches_shrink_with_evictions() -> None:
    sizes = [case.best.frames_per_batch for case in cost_curve.cases()]
    assert sizes[0] >= sizes[1] > sizes[2] > 1


def test_chart_and_table_are_current() -> None:
    docs = cost_curve.OUT.parent
    assert cost_curve.OUT.read_text(encoding="utf-8") == cost_curve.chart(), "run: python -m benchmarks.cost_curve"
    assert cost_curve.table() in (docs / "cost.md").read_text(encoding="utf-8")
