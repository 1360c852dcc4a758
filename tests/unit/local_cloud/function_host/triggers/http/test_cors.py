"""Headers of cross-origin responses."""

import pytest

from local_cloud.function_host.triggers.http.cors import Cors

ALLOW = "Access-Control-Allow-Origin"


@pytest.mark.parametrize(
    ("allowed", "origin", "header"),
    [
        ("", "http://a", None),
        ("*", "http://a", "*"),
        ("http://a, http://b/", "http://b", "http://b"),
        ("http://a", "HTTP://A", "HTTP://A"),
        ("http://a", "http://c", None),
        ("*", None, None),
    ],
)
def test_allowed_origin_is_named(allowed: str, origin: str | None, header: str | None) -> None:
    assert Cors.parse(allowed).headers(origin).get(ALLOW) == header


def test_credentials_need_a_named_origin() -> None:
    headers = Cors.parse("*", with_credentials=True).headers("http://a")
    assert headers[ALLOW] == "http://a"
    assert headers["Access-Control-Allow-Credentials"] == "true"
