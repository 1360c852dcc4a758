"""The route POST /local/prepare: not part of Azure, and without authorization."""

from aiohttp import web

from local_cloud.batch_service.routes.responses import SERVICE, json_response


def add_prepare_route(app: web.Application) -> None:
    """Add the route that prepares the images' programs, so that tasks start without importing."""
    app.router.add_post("/local/prepare", _prepare)


async def _prepare(request: web.Request) -> web.Response:
    await request.app[SERVICE].prepare()
    return json_response(status=202)
