"""Routes of pools and nodes."""

from aiohttp import web

from local_cloud.batch_service.contracts.requests import AutoScaleEnable, AutoScaleEvaluate, PoolResize, PoolSpec
from local_cloud.batch_service.contracts.serialization import format_time, now
from local_cloud.batch_service.operations.pools import NODE_AGENT, NODE_IMAGE_REFERENCE
from local_cloud.batch_service.routes.responses import (
    SERVICE,
    check_preconditions,
    entity_headers,
    json_response,
    list_response,
    operation_headers,
    read_body,
    selected_properties,
)
from local_cloud.batch_service.routes.serializers import EntitySerializer, evaluation_result
from local_cloud.batch_service.state.models import Pool

_SUPPORTED_IMAGE = {
    "nodeAgentSKUId": NODE_AGENT,
    "imageReference": NODE_IMAGE_REFERENCE,
    "osType": "linux",
    "capabilities": ["DockerCompatible", "NvidiaTeslaDriverInstalled"],
    "verificationType": "verified",
}


def add_pool_routes(app: web.Application, serializer: EntitySerializer) -> None:
    """Add the routes of pools and nodes to the application; GET routes also answer HEAD (whether the pool exists)."""
    routes = _PoolRoutes(app, serializer)
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
    def __init__(self, app: web.Application, serializer: EntitySerializer) -> None:
        self._service = app[SERVICE]
        self._serializer = serializer

    async def create(self, request: web.Request) -> web.Response:
        pool = self._service.pools.create(await read_body(request, PoolSpec))
        return json_response(status=201, headers=entity_headers(pool, url=self._serializer.pool_url(pool.id)))

    async def list(self, request: web.Request) -> web.Response:
        pools = [self._serializer.pool(pool) for pool in self._service.store.pools()]
        return list_response(request, pools, kind="pools")

    async def get(self, request: web.Request) -> web.Response:
        pool = self._find(request)
        body = self._serializer.metadata("pools/@Element") | self._serializer.pool(pool)
        return json_response(selected_properties(request, body, kind="pools"), headers=entity_headers(pool))

    async def delete(self, request: web.Request) -> web.Response:
        self._service.pools.delete(self._find(request).id)
        return json_response(status=202)

    async def resize(self, request: web.Request) -> web.Response:
        body = await read_body(request, PoolResize)
        pool = self._find(request)
        self._service.pools.resize(pool.id, body)
        return self._changed(request, pool.id, status=202)

    async def enable_auto_scale(self, request: web.Request) -> web.Response:
        body = await read_body(request, AutoScaleEnable)
        pool = self._find(request)
        self._service.pools.enable_auto_scale(pool.id, body)
        return self._changed(request, pool.id)

    async def disable_auto_scale(self, request: web.Request) -> web.Response:
        pool = self._find(request)
        self._service.pools.disable_auto_scale(pool.id)
        return self._changed(request, pool.id)

    async def evaluate_auto_scale(self, request: web.Request) -> web.Response:
        body = await read_body(request, AutoScaleEvaluate)
        results, error = self._service.pools.evaluate_auto_scale(self._find(request).id, body.auto_scale_formula)
        run = evaluation_result(results, error, format_time(now()))
        return json_response(self._serializer.metadata("Microsoft.Azure.Batch.Protocol.Entities.AutoScaleRun") | run)

    async def nodes(self, request: web.Request) -> web.Response:
        pool = self._service.store.pool(request.match_info["pool"])
        nodes = [self._serializer.node(pool, node) for node in sorted(pool.nodes, key=lambda node: node.id)]
        return list_response(request, nodes, kind="nodes")

    async def node_counts(self, request: web.Request) -> web.Response:
        counts = [self._serializer.node_counts(pool) for pool in self._service.store.pools()]
        return list_response(request, counts, kind="poolnodecounts", key="poolId")

    async def supported_images(self, request: web.Request) -> web.Response:
        return list_response(request, [_SUPPORTED_IMAGE], kind="supportedimages", key="nodeAgentSKUId")

    def _changed(self, request: web.Request, pool_id: str, *, status: int = 200) -> web.Response:
        return json_response(status=status, headers=operation_headers(request, self._service.store.pool(pool_id)))

    def _find(self, request: web.Request) -> Pool:
        pool = self._service.store.pool(request.match_info["pool"])
        check_preconditions(request, pool)
        return pool
