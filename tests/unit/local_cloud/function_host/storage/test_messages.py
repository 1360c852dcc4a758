"""Queue message encoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.function_host.storage.messages import UndecodableMessageError, decode, encode


@given(st.binary())
def test_base64_round_trip(body: bytes) -> None:
    assert decode(encode(body, "base64"), "base64") == body


def test_base64_whitespace_is_ignored() -> None:
    assert decode("YWJj\r\nZA ==\n", "base64") == b"abcd"
    with pytest.raises(UndecodableMessageError):
        decode("YWJjZA", "base64")


def test_invalid_encoding_is_rejected() -> None:
    assert decode(encode("ä".encode(), "none"), "none") == "ä".encode()
    with pytest.raises(UndecodableMessageError, match="messageEncoding base64"):
        encode(b"\xff", "none")
    with pytest.raises(UndecodableMessageError, match="not base64"):
        decode("{}", "base64")
