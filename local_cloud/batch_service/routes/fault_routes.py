"""Routes of fault injection under /local/: not part of Azure, and without authorization."""

from aiohttp import web

from local_cloud.batch_service.faults import LoseNode, PreemptNode, ResizeFailure, read_fault
from local_cloud.batch_service.routes.responses import SERVICE, json_response, read_json


def add_fault_routes(app: web.Application) -> None:
    """Add the routes of fault injection to the application."""
    app.router.add_post("/local/faults", _add)
    app.router.add_get("/local/faults", _list)
    app.router.add_delete("/local/faults", _clear)


async def _add(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    fault = read_fault(await read_json(request))
    if isinstance(fault, PreemptNode):
        return json_response({"node": service.nodes.preempt(fault.node)})
    if isinstance(fault, LoseNode):
        return json_response({"node": service.nodes.lose(fault.node)})
    if isinstance(fault, ResizeFailure):
        service.pools.set_resize_error(fault.code, fault.message)
        return json_response(status=201)
    service.faults.add(fault)
    return json_response(status=201)


async def _list(request: web.Request) -> web.Response:
    faults = [fault.model_dump(exclude_none=True) for fault in request.app[SERVICE].faults.pending()]
    return json_response({"value": faults})


async def _clear(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    service.faults.clear()
    service.scheduler.schedule()
    return json_response(status=204)
