"""Routes: precedence, methods and unsupported templates."""

import pytest

from local_cloud.function_host.invocation.functions import Binding, Function
from local_cloud.function_host.triggers.http.routes import Route, RouteError, find_route


def function(name: str, **arguments: object) -> Function:
    trigger = Binding("req", "httptrigger", is_output=False, arguments=arguments)
    return Function(name, name, trigger, inputs=(), outputs=(), retry=None)


def test_routes_are_tried_by_function_name() -> None:
    templates = {"B_literal": "a/b", "c_any": "a/{x}", "d_int": "a/{x:int}", "e_optional": "b/{x}/{y?}", "rest": "{*x}"}
    routes = [Route.of(function(name, route=template), "api") for name, template in templates.items()]
    expected = {
        "/api": "rest",
        "/api/a/b": "B_literal",
        "/api/A/B/": "B_literal",
        "/api/a/-7": "c_any",
        "/api/b/z": "e_optional",
        "/api/b/z/c": "e_optional",
        "/api/b/z/d/e": "rest",
    }
    assert {path: matched_name(routes, path) for path in expected} == expected
    assert find_route(routes, "GET", "/other") is None
    # An early name makes a catch-all hide the others.
    hiding = [Route.of(function("a_rest", route="{*x}"), "api"), *routes]
    assert {matched_name(hiding, path) for path in expected} == {"a_rest"}


def matched_name(routes: list[Route], path: str) -> str | None:
    match = find_route(routes, "GET", path)
    return None if match is None else match[0].function.name


def test_encoded_slash_stays_encoded() -> None:
    route = Route.of(function("f", route="files/{*path}"), "")
    assert route.match("GET", "/files/a%20b/c%2fd%2F") == {"path": "a b/c%2fd%2F"}


def test_methods_and_prefix() -> None:
    route = Route.of(function("Run", methods=["GET"]), "")
    assert route.match("get", "/run") == {}
    assert route.match("POST", "/run") is None


@pytest.mark.parametrize("template", ["{x:long}", "a{x}", "{x", "{x-y}"])
def test_unsupported_template_is_rejected(template: str) -> None:
    with pytest.raises(RouteError):
        Route.of(function("f", route=template), "api")
