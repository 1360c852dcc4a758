"""One evaluation of a formula for a pool, as evaluateautoscale answers it.

The local service has no history: each sampled variable has had its present value for half an hour.
"""

from collections.abc import Mapping
from typing import Final

from local_cloud.batch_service.autoscale.formula import evaluate
from local_cloud.batch_service.autoscale.values import (
    SAMPLE_EVERY_S,
    FormulaError,
    Series,
    TooFewSamplesError,
    Value,
    number,
)

_SAMPLES: Final = 60
_NOW_S: Final = _SAMPLES * SAMPLE_EVERY_S
_LAG_S: Final = 60
_TARGETS: Final = ("$TargetDedicatedNodes", "$TargetLowPriorityNodes")


def evaluation(
    formula: str, sampled: Mapping[str, float], fixed: Mapping[str, float]
) -> tuple[str, FormulaError | None]:
    """Return the results of a formula as the service writes them, and the error that kept the present targets.

    `sampled` and `fixed` map names such as `$PendingTasks` to their values; `fixed` has the present targets.
    """
    variables: dict[str, Value] = {name: _constant(value) for name, value in sampled.items()}
    variables |= {**fixed, "$NodeDeallocationOption": "requeue"}
    try:
        names = evaluate(formula, variables)
    except TooFewSamplesError:
        return _results(variables), None
    except FormulaError as error:
        return _results(variables), error
    return _results(names), None


def _constant(value: float) -> Series:
    samples = [(number * SAMPLE_EVERY_S, value) for number in range(1, _SAMPLES + 1)]
    return Series(samples=samples, now_s=_NOW_S, lag_s=_LAG_S)


def _results(names: Mapping[str, Value]) -> str:
    targets = [f"{name}={int(number(names[name]))}" for name in _TARGETS]
    return ";".join([*targets, f"$NodeDeallocationOption={names['$NodeDeallocationOption']}"])
