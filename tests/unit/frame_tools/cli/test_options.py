"""Every schema option is a command-line option, sets the same field as a trigger file, and is validated."""

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from frame_tools.cli.main import app
from frame_tools.cli.options import PAINTING, SPLITTING, parse_argument, parse_key_style, parse_style, style_fields
from frame_tools.contracts.errors import ExitCode, InputError
from frame_tools.contracts.options import Options
from frame_tools.contracts.trigger import Trigger, all_option_specs, option_spec, parse_trigger
from frame_tools.storage.deployment import DataStorage
from tests.support.cli import run, run_failing


def flag(name: str) -> str:
    return {"image_format": "--format"}.get(name, f"--{name.replace('_', '-')}")


@pytest.mark.parametrize("command", ["upload", "trigger", "paint", "demo", "redo"])
def test_help_lists_schema_options_in_panels(command: str) -> None:
    panels = help_panels(command)
    for name in PAINTING:
        assert f"{flag(name)} " in panels[option_spec(name).group]
    assert "--set " in panels["Scorer and style"]
    text = panels[option_spec("strength").group]
    assert option_spec("strength").meaning in text
    assert ("[default: 1.0]" in text) == (command != "redo"), "an omitted option of a resubmission is unchanged"


def help_panels(command: str) -> dict[str, str]:
    """Return the text of each panel of a command's help, by title, with single spaces."""
    panels: dict[str, str] = {}
    title = ""
    for line in CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "250"}).stdout.splitlines():
        if match := re.match("╭─ (.+?) ─", line):
            title = match[1]
        panels[title] = " ".join((panels.get(title, "") + " " + line.strip("│")).split())
    return panels


def test_no_schema_option_is_missing() -> None:
    own = {"style", "key_styles", "arguments", "mask"}
    elsewhere = {"input", "video", "source", "index", "frames", "rate", "label"}
    assert {*PAINTING, *SPLITTING, *own, *elsewhere} == {spec.name for spec in all_option_specs()}
    assert {*PAINTING, "arguments"} == set(Options.model_fields)


def written_trigger(storage: DataStorage, *options: object) -> Trigger:
    result = run("trigger", "test", *options)
    assert result.exit_code == ExitCode.OK, result.stderr
    return parse_trigger(storage.triggers.need("test.json").data)


PLAIN_OPTIONS = [spec for spec in all_option_specs() if spec.name not in ("style", "key_styles", "arguments")]


@pytest.mark.parametrize("spec", PLAIN_OPTIONS, ids=lambda spec: spec.name)
def test_option_sets_the_field_of_the_trigger(storage: DataStorage, spec: Any) -> None:
    others: dict[str, dict[str, Any]] = {"program": {"scorer": "script"}, "rate": {"scorer": "copy"}}
    others |= {"source": {"video": "v.mp4"}, "index": {"video": "v.mp4"}, "tune": {"style": "a.jpg"}}
    fields = {"style": "a.safetensors"} | others.get(spec.name, {}) | {spec.name: spec.example}
    options = [
        part for name, value in fields.items() for part in ([flag(name)] if value is True else [flag(name), value])
    ]
    assert written_trigger(storage, *options) == Trigger.parse_input(json.dumps(fields), "trigger")


def test_absent_option_has_the_schema_default(storage: DataStorage) -> None:
    assert written_trigger(storage, "--scorer", "copy") == Trigger(scorer="copy")


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (["--style", "a.jpg"], {"style": "a.jpg"}),
        (["--style", "a.jpg=0.7", "--style", "b.jpg=0.3"], {"style": {"a.jpg": 0.7, "b.jpg": 0.3}}),
        (["--style", "a.jpg", "--style", "b.jpg=2"], {"style": {"a.jpg": 1.0, "b.jpg": 2.0}}),
        (["--style", "a=1.jpg"], {"style": "a=1.jpg"}),
        (["--style", "a=1.jpg=2"], {"style": {"a=1.jpg": 2.0}}),
        (
            ["--style", "a.jpg", "--key-style", "9=c.jpg", "--key-style", "4.5=b.jpg"],
            {"style": "a.jpg", "key_styles": [{"at": 4.5, "style": "b.jpg"}, {"at": 9, "style": "c.jpg"}]},
        ),
        (
            ["--key-style", "0=a.jpg", "--key-style", "2=a.jpg=1", "--key-style", "2.0=b.jpg=3"],
            {"key_styles": [{"at": 0, "style": "a.jpg"}, {"at": 2, "style": {"a.jpg": 1, "b.jpg": 3}}]},
        ),
        (
            [
                "--scorer",
                "script",
                "--program",
                "x",
                "--set",
                "a=4",
                "--set",
                "b=true",
                "--set",
                "c=x=y",
                "--set",
                "d=1.5",
            ],
            {"scorer": "script", "program": "x", "arguments": {"a": 4, "b": True, "c": "x=y", "d": 1.5}},
        ),
        (
            [
                "--scorer",
                "script",
                "--program",
                "x",
                "--set",
                "a=[1]",
                "--set",
                "b=",
                "--set",
                'c="q"',
                "--set",
                "d=null",
            ],
            {"scorer": "script", "program": "x", "arguments": {"a": "[1]", "b": "", "c": '"q"', "d": "null"}},
        ),
    ],
)
def test_styles_key_styles_and_arguments(storage: DataStorage, options: list[str], fields: dict[str, Any]) -> None:
    assert written_trigger(storage, *options) == Trigger.parse_input(json.dumps(fields), "trigger")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--style", "a.jpg=0"], "weight of 'a.jpg'"),
        (["--style", "a.jpg=nan"], "weight of 'a.jpg'"),
        (["--style", "a.jpg", "--style", "a.jpg=2"], "'a.jpg' is given twice"),
        (["--style", "a.jpg", "--key-style", "4.5"], "SECONDS=FILE"),
        (["--style", "a.jpg", "--key-style", "soon=b.jpg"], "SECONDS=FILE"),
        (["--style", "a.jpg", "--key-style", "inf=b.jpg"], "SECONDS=FILE"),
        (["--style", "a.jpg", "--key-style", "4="], "SECONDS=FILE"),
        (["--style", "a.jpg", "--key-style", "-1=b.jpg"], "key_styles.0.at"),
        (["--style", "a.jpg", "--key-style", "0=b.jpg"], "not both"),
        (["--scorer", "copy", "--set", "a"], "NAME=VALUE"),
        (["--scorer", "copy", "--set", "=1"], "NAME=VALUE"),
        (["--scorer", "copy", "--set", "a=1"], "no arguments"),
        (["--scorer", "script", "--program", "x", "--set", "a=NaN"], "arguments.a"),
        (["--scorer", "tunned"], "did you mean 'tuned'"),
        (["--style", "a.jpg", "--preserve-color", "lume"], "did you mean 'luma'"),
        (["--style", "a.jpg", "--size", 480, "--style-scale", 1], "size or strokes"),
        (["--style", "a.jpg", "--temporal-smoothing", 1], "temporal_smoothing"),
        (["--scorer", "describe", "--mask", "m"], "makes no pictures"),
    ],
)
def test_invalid_option_is_named(storage: DataStorage, options: list[object], named: str) -> None:
    assert named in run_failing(ExitCode.INPUT, "trigger", "test", *options)
    assert list(storage.triggers.list("")) == []


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    style = parse_style(text)
    assert style.text in text
    assert style_fields([style], [])["style"]
    for parse in (parse_key_style, parse_argument):
        with suppress(InputError):
            assert parse(text)
