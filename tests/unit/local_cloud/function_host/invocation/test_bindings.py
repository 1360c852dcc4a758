"""Messages of a queue output."""

from typing import Any

import pytest

from local_cloud.function_host.invocation.bindings import message_bodies
from local_cloud.function_host.invocation.values import bytes_datum, json_datum, text_datum


@pytest.mark.parametrize(
    ("datum", "bodies"),
    [
        (text_datum("plain"), [b"plain"]),
        (text_datum('{"a": 1}'), [b'{"a": 1}']),
        (text_datum('["a", {"b": 1}]'), [b"a", b'{"b": 1}']),
        (text_datum("7"), [b"7"]),
        (bytes_datum(b'["a"]'), [b'["a"]']),
        (json_datum({"id": None, "body": "text"}), [b"text"]),
        (json_datum([{"id": "1", "body": "x"}, "y"]), [b"x", b"y"]),
    ],
)
def test_message_bodies(datum: Any, bodies: list[bytes]) -> None:
    assert message_bodies(datum) == bodies
