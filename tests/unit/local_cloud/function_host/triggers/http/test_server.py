"""Responses of HTTP functions."""

from dataclasses import replace

import pytest

from local_cloud.function_host.invocation.functions import Binding, Function
from local_cloud.function_host.invocation.worker import InvocationResult
from local_cloud.function_host.triggers.http.server import to_response


def function(name: str, **arguments: object) -> Function:
    trigger = Binding("req", "httptrigger", is_output=False, arguments=arguments)
    return Function(name, name, trigger, inputs=(), outputs=(), retry=None)


@pytest.mark.parametrize(("output", "status"), [("$return", 204), ("named", 200)])
def test_missing_response(output: str, status: int) -> None:
    http = Binding(output, "http", is_output=True, arguments={})
    assert to_response(replace(function("f"), outputs=(http,)), InvocationResult(ok=True)).status == status
