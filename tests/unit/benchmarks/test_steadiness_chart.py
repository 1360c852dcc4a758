"""docs/steadiness.svg is what `benchmarks.steadiness_chart` draws from the table in docs/steadiness.md."""

from pathlib import Path

from benchmarks.steadiness_chart import DOCS, chart
from benchmarks.steadiness_table import BEGIN, END, Curve, FinishedCurves, Point, format_table, parse_table, replaced


def test_chart_is_current() -> None:
    page = (DOCS / "steadiness.md").read_text(encoding="utf-8")
    drawn = (DOCS / "steadiness.svg").read_text(encoding="utf-8")
    assert drawn == chart(parse_table(page)), "run: python -m benchmarks.steadiness_chart"


def test_parse_table_reverses_format_table() -> None:
    points = tuple(Point(weight=weight, warp=1 - weight, sharp=1.0, style=0.75) for weight in (0, 0.5))
    curves = [
        Curve(clip="frog", painting="a", points=points, exact=False, unpainted=0.125),
        Curve(clip="pan", painting="a", points=points, exact=True, unpainted=0.125),
    ]
    table = format_table(curves)
    assert parse_table(f"text\n{BEGIN}\n{table}\n\nClips: a credit.\n{END}\n| other | table |") == curves
    assert table.count("**mean") == 4


def test_finished_curves_are_read_again(tmp_path: Path) -> None:
    points = (Point(weight=0.7, warp=0.25, sharp=1.0, style=1.01),)
    curve = Curve(clip="frog", painting="a", points=points, exact=False, unpainted=0.125)
    file = tmp_path / "figures.jsonl"
    assert FinishedCurves(file).add(curve) == curve
    assert FinishedCurves(file).find("frog", "a") == curve
    assert FinishedCurves(file).find("frog", "b") is None
    assert FinishedCurves(None).find("frog", "a") is None


def test_text_between_markers_is_replaced() -> None:
    page = f"head\n{BEGIN}\nold\n{END}\ntail\n"
    assert replaced(page, BEGIN, END, "new") == f"head\n{BEGIN}\nnew\n{END}\ntail\n"
