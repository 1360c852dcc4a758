"""The page's functions. Screens are anonymous and hold no data; their parts and actions need the function key.

If people sign in with Entra ID, App Service authentication is in front of all of them and names who is signed in.

The Functions host tries routes in the alphabetical order of the functions' names.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qs

import azure.functions as func
from azure.core.exceptions import AzureError

from frame_tools.contracts.errors import DamagedError, ImpastoError, InputError, MissingError, TemporaryError
from orchestration.app import App, application, page_sign_in
from orchestration.service_errors import service_error
from orchestration.telemetry.tracing import Invocation
from orchestration.web import actions, parts, screens
from orchestration.web.assets import assets
from orchestration.web.render import render
from orchestration.web.security import is_from_this_page, is_signed_in, page_headers

_log = logging.getLogger(__name__)
ANONYMOUS: Final = func.AuthLevel.ANONYMOUS
HAS_ENTRA: Final = page_sign_in() == "entra"
DATA_LEVEL: Final = ANONYMOUS if HAS_ENTRA else func.AuthLevel.FUNCTION
page: Final = func.Blueprint()  # type: ignore[no-untyped-call]


@page.route(route="/", methods=["GET"], auth_level=ANONYMOUS)
def ui_root(req: func.HttpRequest) -> func.HttpResponse:
    """GET /: lead to the page."""
    return func.HttpResponse(status_code=302, headers={"Location": "/ui"})


@page.route(route="ui/assets/{version}/{*name}", methods=["GET"], auth_level=ANONYMOUS)
def ui_assets(req: func.HttpRequest) -> func.HttpResponse:
    """GET /ui/assets/{version}/{name}: a file that never changes under this address."""
    asset = assets().files.get(req.route_params.get("name", ""))
    if asset is None or req.route_params.get("version") != assets().version:
        return func.HttpResponse("There is no such file.", status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    body, accepted = asset.data, req.headers.get("accept-encoding", "")
    if asset.compressed is not None:
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in accepted:
            headers["Content-Encoding"], body = "gzip", asset.compressed
    return func.HttpResponse(body, headers={**headers, "Content-Type": asset.content_type})


@page.route(route="ui/{screen?}", methods=["GET"], auth_level=ANONYMOUS)
def ui_screen(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /ui, /ui/runs, /ui/health: a screen without data."""
    name = req.route_params.get("screen") or "start"
    return _answer(context, lambda app: screens.screen(app, name), without_data=True)


@page.route(route="ui/runs/{run_id}", methods=["GET"], auth_level=ANONYMOUS)
def ui_screen_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /ui/runs/{run_id}: the screen of one run, without data."""
    run_id = req.route_params["run_id"]
    return _answer(context, lambda app: screens.run_screen(app, run_id), without_data=True)


@page.route(route="ui/parts/{part}/{run_id?}", methods=["GET"], auth_level=DATA_LEVEL)
def ui_part(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """GET /ui/parts/{part}: a part of a screen, with data."""
    if not is_signed_in(req.headers, has_entra=HAS_ENTRA):
        return func.HttpResponse("Nobody is signed in.", status_code=401)
    query = parse_qs(_query(req.url))
    return _answer(
        context, lambda app: parts.part(app, req.route_params["part"], req.route_params.get("run_id", ""), query)
    )


@page.route(route="ui/actions/{action}", methods=["POST"], auth_level=DATA_LEVEL)
def ui_action(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """POST /ui/actions/{action}: what a button does; the body is a form, or JSON for an upload."""
    if not is_signed_in(req.headers, has_entra=HAS_ENTRA):
        return func.HttpResponse("Nobody is signed in.", status_code=401)
    if not is_from_this_page(req.headers, req.url):
        return func.HttpResponse("The request comes from another site.", status_code=403)
    return _answer(context, lambda app: actions.perform(app, req.route_params["action"], req.get_body()))


def _query(url: str) -> str:
    return url.partition("?")[2].partition("#")[0]


def _answer(
    context: func.Context, handle: Callable[[App], parts.Answer], *, without_data: bool = False
) -> func.HttpResponse:
    """Return what `handle` returns as HTML; of an error, what is wrong and what to do."""
    app = application()
    services = app.interactive or app
    trace = context.trace_context
    call = Invocation(
        function=context.function_name,
        invocation_id=context.invocation_id,
        traceparent=trace.trace_parent or "",
        tracestate=trace.trace_state or "",
    )
    try:
        with app.spans.invocation(call):
            answer = handle(services)
    except InputError as error:
        return _error(error, 400)
    except MissingError as error:
        return _error(error, 404)
    except DamagedError as error:
        return _error(error, 409)
    except TemporaryError as error:
        return _error(error, 503)
    except AzureError as error:
        _log.warning("the page failed: %s", error)
        return _error(service_error(error, "Azure Storage"), 503)
    origin = services.links.origin
    return _html(
        answer.html,
        status_code=answer.status_code,
        headers={**page_headers(origin, without_data=without_data), **answer.headers},
        mimetype=answer.media_type,
    )


def _error(error: ImpastoError, status_code: int) -> func.HttpResponse:
    return _html(render("error", what=error.what.rstrip("."), remedy=error.remedy), status_code=status_code)


def _html(
    text: str, *, status_code: int = 200, headers: Mapping[str, str] | None = None, mimetype: str = "text/html"
) -> func.HttpResponse:
    all_headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return func.HttpResponse(text, status_code=status_code, headers=all_headers, mimetype=mimetype, charset="utf-8")
