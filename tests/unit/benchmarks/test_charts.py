"""Charts are reproducible and have a text alternative."""

from matplotlib.figure import Figure

from benchmarks import charts


def draw(figure: Figure) -> None:
    figure.subplots().plot([0, 1], [1, 0], label="line")


def test_equal_data_give_equal_text() -> None:
    first, second = (charts.svg(draw, height_inches=2, description="A <line>") for _ in range(2))
    assert first == second
    assert 'aria-label="A &lt;line&gt;"' in first
    assert "<dc:date>" not in first


def test_changes_keep_all_steps() -> None:
    assert charts.changes([0, 0, 1, 1, 1, 2, 2], [5, 5, 5, 5, 4, 4, 4]) == [0, 2, 4, 5, 6]
    assert charts.changes([3]) == [0]
