"""The formula evaluator computes what the service computes and rejects what the service rejects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.batch_service.autoscale.formula import MAX_BYTES, evaluate, fill, tokens_of
from local_cloud.batch_service.autoscale.values import FormulaError, Interval, Series, TooFewSamplesError, Value

MINUTE = Interval(60)


def series(*values: float, now_s: int = 300, lag_s: int = 0) -> Series:
    """Return samples every 30 seconds, the last one at `now_s`."""
    start = now_s - 30 * (len(values) - 1)
    return Series(samples=[(start + 30 * i, v) for i, v in enumerate(values)], now_s=now_s, lag_s=lag_s)


def result(expression: str, **variables: Value) -> Value:
    return evaluate(f"x = {expression};", {f"${name}": value for name, value in variables.items()})["x"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3.5),
        ("10 - 2 - 3", 5),
        ("-2 + 5", 3),
        ("1 < 2 && 2 >= 3 || !0", 1),
        ("1 == 1 ? 4 : 5", 4),
        ("0 ? 4 : 1 ? 6 : 7", 6),
        ("max(1, 2, 3) - min(4, 5)", -1),
        ("avg(1, 2, 6) + sum(1, 1) + len(7, 8)", 7),
        ("2 * TimeInterval_Minute", 120),
    ],
)
def test_arithmetic(expression: str, value: float) -> None:
    assert result(expression) == value


def test_targets_are_truncated() -> None:
    assert evaluate("$TargetDedicatedNodes = 2.9;", {})["$TargetDedicatedNodes"] == 2


def test_samples_by_count_and_by_interval() -> None:
    tasks = series(1, 2, 3, 4, now_s=300, lag_s=60)
    assert result("max($T.GetSample(1))", T=tasks) == 2
    assert result("sum($T.GetSample(2 * TimeInterval_Minute))", T=tasks) == 3
    assert result("$T.GetSamplePercent(2 * TimeInterval_Minute)", T=tasks) == 50
    assert result("$T + 1", T=tasks) == 5


def test_too_few_samples_end_the_evaluation() -> None:
    with pytest.raises(TooFewSamplesError):
        result("$T.GetSample(5 * TimeInterval_Minute, 70)", T=series(1, 2))
    assert result("len($T.GetSample(TimeInterval_Minute, 70))", T=series(1, 2)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "x = 1 +;",
        "x = unknown;",
        "x = 1 y = 2;",
        "x = 1 / 0;",
        "$TargetDedicatedNodes = avg($T.GetSample(0));",
        "x = $T.GetSample(2) + 1;",
        "$T = 1;",
        "x = 5.GetSample(1);",
        "x = max(1",
        "x = 3 % 2;",
        "x = ceil(3);",
        "x = $T.Count();",
    ],
)
def test_invalid_formula_raises(text: str) -> None:
    with pytest.raises(FormulaError):
        evaluate(text, {"$T": series(1, 2)})


def test_service_limits_are_enforced() -> None:
    with pytest.raises(FormulaError, match="bytes"):
        tokens_of("// " + "x" * MAX_BYTES)
    with pytest.raises(FormulaError, match="statements"):
        tokens_of("x = 1;" * 101)


def test_unfilled_name_raises() -> None:
    assert fill("a = __A__; b = __A__;", {"A": 3}) == "a = 3; b = 3;"
    with pytest.raises(FormulaError, match="__B__"):
        fill("a = __A__ + __B__;", {"A": 3})


numbers = st.integers(-50, 50)


@given(numbers, numbers, numbers)
def test_precedence_matches_python(a: int, b: int, c: int) -> None:
    for text in ("{} + {} * {}", "({} - {}) * {}", "{} - {} - {}", "{} < {} + {}"):
        expression = text.format(*(f"(0 - {-n})" if n < 0 else n for n in (a, b, c)))
        assert result(expression) == float(eval(text.format(f"({a})", f"({b})", f"({c})")))  # noqa: S307


@given(st.lists(st.integers(0, 99), min_size=1, max_size=20), st.integers(0, 4))
def test_window_contains_visible_samples(values: list[int], lag: int) -> None:
    tasks = series(*map(float, values), now_s=600, lag_s=30 * lag)
    assert tasks.window(Interval(600)) == [float(v) for v in values[: max(0, len(values) - lag)]]
    assert 0 <= tasks.percent(Interval(600)) <= 100
