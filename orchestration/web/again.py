"""The form "Paint again with…": every option of a run, with its value, and what the form changes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from frame_tools.contracts.base import number_bounds
from frame_tools.contracts.option_specs import OptionSpec, spec_of
from frame_tools.contracts.options import Options
from frame_tools.contracts.trigger import Trigger

Control = Literal["percent", "segments", "select", "number", "text"]
PREFIX: Final = "option-"
"""Prefix of the form's fields."""
FIRST: Final = ("strength", "preserve_color", "strokes", "temporal_smoothing")
"""Options that are shown first; the others are folded."""
LABELS: Final = {
    "strength": "Strength",
    "preserve_color": "Colors",
    "strokes": "Strokes",
    "temporal_smoothing": "Steadiness",
}
COLORS: Final = {"no": "Painting", "luma": "Clip", "statistics": "Blend"}
HINTS: Final = {
    "strength": "How strongly the style is applied.",
    "preserve_color": "Whose colors the painting has.",
    "strokes": "fine, medium, broad, or a number from 0.1 to 10; empty for the default.",
    "temporal_smoothing": "From 0 to 0.9: higher values flicker less; empty for the default.",
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """A control of the form: `choices` are values and their labels, `low` and `high` bound a number."""

    name: str
    label: str
    hint: str
    control: Control
    value: str
    choices: tuple[tuple[str, str], ...] = ()
    low: str = ""
    high: str = ""
    step: str = "any"

    @property
    def field_name(self) -> str:
        """Return the name of the form's field."""
        return f"{PREFIX}{self.name}"


@dataclass(frozen=True, kw_only=True)
class AgainForm:
    """The options that are shown first, and the others."""

    first: tuple[Field, ...]
    rest: tuple[Field, ...]


def again_form(trigger: Trigger) -> AgainForm:
    """Return the form with a run's own options."""
    fields = {spec.name: _field(spec, trigger) for spec in _specs()}
    rest = tuple(field for name, field in fields.items() if name not in FIRST)
    return AgainForm(first=tuple(fields[name] for name in FIRST), rest=rest)


def _specs() -> Iterator[OptionSpec]:
    return (spec_of(name, field) for name, field in Options.model_fields.items())


def _field(spec: OptionSpec, trigger: Trigger) -> Field:
    value = trigger.model_dump(mode="json")[spec.name]
    label = LABELS.get(spec.name, spec.name.replace("_", " ").capitalize())
    common: dict[str, Any] = {"name": spec.name, "label": label, "hint": HINTS.get(spec.name, spec.meaning)}
    if spec.name == "strength":
        return Field(**common, control="percent", value=str(round(100 * value)))
    if spec.name == "preserve_color":
        return Field(**common, control="segments", value=value, choices=tuple(COLORS.items()))
    if choices := _choices(spec):
        return Field(**common, control="select", value=_text(value), choices=choices)
    if spec.kind in (int, float) and spec.name != "strokes":
        bounds = number_bounds(Options.model_fields[spec.name])
        high = bounds.get("le", bounds["lt"] - 1 if "lt" in bounds else "")
        step = "1" if spec.kind is int else "any"
        low = str(bounds.get("ge", ""))
        return Field(**common, control="number", value=_text(value), low=low, high=str(high), step=step)
    return Field(**common, control="text", value=_text(value))


def _choices(spec: OptionSpec) -> tuple[tuple[str, str], ...]:
    """Return the values of an option that has a few, with their labels; empty for any other."""
    default = (("", "default"),) if spec.default is None else ()
    if spec.kind is bool:
        return (*default, ("false", "no"), ("true", "yes"))
    if spec.kind is not str or "|" not in spec.form or ".." in spec.form:
        return ()
    return (*default, *((name, name) for name in spec.form.split("|")))


def _text(value: Any) -> str:
    """Return an option's value as the form has it; empty for the default."""
    if value is None or value == {}:
        return ""
    if isinstance(value, bool | dict):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def changed_options(trigger: Trigger, form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the options that the form changes; a value that cannot be parsed passes unchanged, to be rejected.

    An empty field resets an option that has a default of its own (None).
    """
    current = trigger.model_dump(mode="json")
    changed: dict[str, Any] = {}
    for spec in _specs():
        values = form.get(f"{PREFIX}{spec.name}")
        if not values:
            continue
        value = _parsed(spec, values[0].strip())
        if value != current[spec.name]:
            changed[spec.name] = value
    return changed


def _parsed(spec: OptionSpec, text: str) -> Any:
    if not text:
        return {} if spec.default == {} else spec.default
    if spec.name == "strength":
        return int(text) / 100 if text.isdecimal() else text
    if spec.kind is bool or spec.default == {}:
        return _json_or_text(text)
    if spec.kind in (int, float):
        number = _json_or_text(text)
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        return number if is_number else text
    return text


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
