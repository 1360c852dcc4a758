"""The preprovision hook asks who reaches storage, and rejects addresses that storage would refuse later."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from infra.hooks.access import OPERATE, UPLOAD, address_problem, check_access
from infra.hooks.azure import HookError


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The values that the hook stores in the azd environment."""
    values: dict[str, str] = {}

    def run(command: list[str], **_options: Any) -> None:
        assert command[:3] == ["azd", "env", "set"]
        values[command[3]] = command[4]

    monkeypatch.setattr(subprocess, "run", run)
    return values


def answers(*texts: str) -> Callable[[str], str]:
    remaining = iter(texts)
    return lambda _question: next(remaining)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["203.0.113.7"], {UPLOAD: "203.0.113.7", OPERATE: "203.0.113.7"}),
        (["home", "10.0.0.7", "203.0.113.0/24 "], {UPLOAD: "203.0.113.0/24", OPERATE: "203.0.113.0/24"}),
        (["any"], {UPLOAD: "any"}),
        ([""], {UPLOAD: "none"}),
    ],
)
def test_answer_is_stored(stored: dict[str, str], texts: list[str], expected: dict[str, str]) -> None:
    check_access({}, answers(*texts))
    assert stored == expected


def test_operators_of_the_environment_are_kept(stored: dict[str, str]) -> None:
    check_access({OPERATE: "198.51.100.9"}, answers("203.0.113.7"))
    assert stored == {UPLOAD: "203.0.113.7"}


@pytest.mark.parametrize("environ", [{UPLOAD: "203.0.113.7"}, {UPLOAD: "none"}, {"IMPASTO_NETWORK": "private"}])
def test_nothing_is_asked_twice_or_in_a_private_network(stored: dict[str, str], environ: dict[str, str]) -> None:
    check_access(environ, answers())
    assert stored == {}


def test_nobody_is_asked_in_a_pipeline(stored: dict[str, str]) -> None:
    check_access({}, None)
    assert stored == {}


@pytest.mark.parametrize("text", ["203.0.113.7", "203.0.113.0/24", "203.0.113.4/30"])
def test_public_addresses_are_accepted(text: str) -> None:
    assert address_problem(text) is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("paint.example.org", "IPv4"),
        ("203.0.113.7/24", "IPv4"),
        ("203.0.113.7/32", "slash"),
        ("203.0.113.6/31", "slash"),
        ("192.168.1.7", "private"),
        ("10.1.0.0/16", "private"),
        ("2001:db8::1", "IPv6"),
    ],
)
@pytest.mark.parametrize("name", [UPLOAD, OPERATE])
def test_addresses_that_storage_refuses_are_rejected(name: str, text: str, part: str) -> None:
    with pytest.raises(HookError, match=part) as refusal:
        check_access({name: f"198.51.100.7,{text}"})
    assert name in str(refusal.value)
    assert text in str(refusal.value)


def test_ops_account_cannot_be_opened_to_all() -> None:
    with pytest.raises(HookError, match=OPERATE):
        check_access({OPERATE: "any"})
