"""Invocation of the app's functions as Azure's worker does it: by name, with the worker's own context."""

import inspect
import threading
from collections.abc import Mapping
from typing import Any, Final

import azure.functions as func
from azure_functions_runtime.bindings.context import Context
from azure_functions_runtime.bindings.retrycontext import RetryContext
from azure_functions_runtime.bindings.tracecontext import TraceContext

import function_app
from tests.support.answers import check_answer

FUNCTIONS: Final[Mapping[str, Any]] = {
    str(function.get_function_name()): function for function in function_app.app.get_functions()
}
INVOCATION: Final = "11111111-2222-3333-4444-555555555555"


def call(function: str, binding: Any, *, traceparent: str = "") -> Any:
    """Call a function of the app with its trigger's binding; return its result."""
    trace, retry = TraceContext(traceparent, "", {}), RetryContext(0, 0, None)
    context = Context(function, "", INVOCATION, threading.local(), trace, retry)
    user_function = FUNCTIONS[function].get_user_function()
    takes_context = "context" in inspect.signature(user_function).parameters
    answer = user_function(binding, **({"context": context} if takes_context else {}))
    if isinstance(answer, func.HttpResponse) and not function.startswith("ui_"):
        check_answer(function, answer.status_code, f"{answer.mimetype}; charset={answer.charset}", answer.get_body())
    return answer
