"""Routes: precedence, methods and unsupported templates."""

import pytest

from local_cloud.function_host.invocation.functions import Binding, Function
from local_cloud.function_host.triggers.http.routes import Route, RouteError, find_route


def function(name: str, **arguments: object) -> Function:
    trigger = Binding("req", "httptrigger", is_output=False, arguments=arguments)
    return Function(name, name, trigger, inputs=(), outputs=(), retry=None)


def test_most_specific_route_wins() -> None:
    templates = ["{*rest}", "a/{x}", "a/{x:int}", "a/b", "a/{x}/c", "a/{x}/{y?}"]
    routes = [Route.of(function(template, route=template), "api") for template in templates]
    expected = {
        "/api": "{*rest}",
        "/api/a/b": "a/b",
        "/api/A/B/": "a/b",
        "/api/a/-7": "a/{x:int}",
        "/api/a/z": "a/{x}",
        "/api/a/z/c": "a/{x}/c",
        "/api/a/z/d": "a/{x}/{y?}",
        "/api/a/z/d/e": "{*rest}",
    }
    for path, template in expected.items():
        expected = find_route(routes, "GET", path)
        assert expected is not None
        assert expected[0].function.name == template, path
    assert find_route(routes, "GET", "/other") is None


def test_methods_and_prefix() -> None:
    route = Route.of(function("Run", methods=["GET"]), "")
    assert route.match("get", "/run") == {}
    assert route.match("POST", "/run") is None


@pytest.mark.parametrize("template", ["{x:long}", "a{x}", "{x", "{x-y}"])
def test_unsupported_template_is_rejected(template: str) -> None:
    with pytest.raises(RouteError):
        Route.of(function("f", route=template), "api")
