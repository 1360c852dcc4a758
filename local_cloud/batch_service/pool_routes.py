"""Routes of pools and nodes."""

from aiohttp import web

from .answers import SERVICE, answer, entity_headers, listing, read_body, require_match
from .bodies import AutoScaleOn, AutoScaleTrial, PoolResize, PoolSpec
from .models import Pool
from .odata import selected
from .pools import NODE_AGENT, NODE_IMAGE_REFERENCE
from .present import Presenter, evaluation
from .wire import now, stamp

_SUPPORTED_IMAGE = {
    "nodeAgentSKUId": NODE_AGENT,
    "imageReference": NODE_IMAGE_REFERENCE,
    "osType": "linux",
    "capabilities": ["DockerCompatible", "NvidiaTeslaDriverInstalled"],
    "verificationType": "verified",
}


def add_pool_routes(app: web.Application, presenter: Presenter) -> None:
    """Add the routes of pools to the application; a GET route answers HEAD too (does the pool exist?)."""
    routes = _PoolRoutes(app, presenter)
    app.router.add_post("/pools", routes.create)
    app.router.add_get("/pools", routes.list)
    app.router.add_get("/pools/{pool}", routes.get)
    app.router.add_delete("/pools/{pool}", routes.delete)
    app.router.add_post("/pools/{pool}/resize", routes.resize)
    app.router.add_post("/pools/{pool}/enableautoscale", routes.enable_auto_scale)
    app.router.add_post("/pools/{pool}/disableautoscale", routes.disable_auto_scale)
    app.router.add_post("/pools/{pool}/evaluateautoscale", routes.evaluate_auto_scale)
    app.router.add_get("/pools/{pool}/nodes", routes.nodes)
    app.router.add_get("/nodecounts", routes.node_counts)
    app.router.add_get("/supportedimages", routes.supported_images)


class _PoolRoutes:
    def __init__(self, app: web.Application, presenter: Presenter) -> None:
        self._service = app[SERVICE]
        self._presenter = presenter

    async def create(self, request: web.Request) -> web.Response:
        pool = self._service.pools.create(await read_body(request, PoolSpec))
        return answer(status=201, headers=entity_headers(pool, url=self._presenter.pool_url(pool.id)))

    async def list(self, request: web.Request) -> web.Response:
        pools = [self._presenter.pool(pool) for pool in self._service.store.pools()]
        return listing(request, pools, kind="pools")

    async def get(self, request: web.Request) -> web.Response:
        pool = self._matched(request)
        body = self._presenter.metadata("pools/@Element") | self._presenter.pool(pool)
        return answer(selected(body, request.query.get("$select")), headers=entity_headers(pool))

    async def delete(self, request: web.Request) -> web.Response:
        self._service.pools.delete(self._matched(request).id)
        return answer(status=202)

    async def resize(self, request: web.Request) -> web.Response:
        wish = await read_body(request, PoolResize)
        self._service.pools.resize(self._matched(request).id, wish)
        return answer(status=202)

    async def enable_auto_scale(self, request: web.Request) -> web.Response:
        wish = await read_body(request, AutoScaleOn)
        self._service.pools.enable_auto_scale(self._matched(request).id, wish)
        return answer()

    async def disable_auto_scale(self, request: web.Request) -> web.Response:
        self._service.pools.disable_auto_scale(self._matched(request).id)
        return answer()

    async def evaluate_auto_scale(self, request: web.Request) -> web.Response:
        await read_body(request, AutoScaleTrial)
        run = evaluation(self._matched(request), stamp(now()))
        return answer(self._presenter.metadata("autoscalerun/@Element") | run)

    async def nodes(self, request: web.Request) -> web.Response:
        pool = self._service.store.pool(request.match_info["pool"])
        nodes = [self._presenter.node(pool, node) for node in sorted(pool.nodes, key=lambda node: node.id)]
        return listing(request, nodes, kind="nodes")

    async def node_counts(self, request: web.Request) -> web.Response:
        counts = [self._presenter.node_counts(pool) for pool in self._service.store.pools()]
        return listing(request, counts, kind="poolnodecounts", key="poolId")

    async def supported_images(self, request: web.Request) -> web.Response:
        return listing(request, [_SUPPORTED_IMAGE], kind="supportedimages", key="nodeAgentSKUId")

    def _matched(self, request: web.Request) -> Pool:
        pool = self._service.store.pool(request.match_info["pool"])
        require_match(request, pool)
        return pool
