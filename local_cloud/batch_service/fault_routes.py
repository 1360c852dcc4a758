"""The switches of ``faults.py`` under /local/: no part of Azure, and open to whoever reaches the loopback port."""

from aiohttp import web

from .answers import SERVICE, answer, read_json
from .faults import LoseNode, PreemptNode, ResizeRefused, read_fault


def add_fault_routes(app: web.Application) -> None:
    """Add the switches to the application."""
    app.router.add_post("/local/faults", _add)
    app.router.add_get("/local/faults", _list)
    app.router.add_delete("/local/faults", _clear)


async def _add(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    fault = read_fault(await read_json(request))
    if isinstance(fault, PreemptNode):
        return answer({"node": service.nodes.preempt(fault.node)})
    if isinstance(fault, LoseNode):
        return answer({"node": service.nodes.lose(fault.node)})
    if isinstance(fault, ResizeRefused):
        service.pools.refuse_resize(fault.code, fault.message)
        return answer(status=201)
    service.faults.add(fault)
    return answer(status=201)


async def _list(request: web.Request) -> web.Response:
    faults = [fault.model_dump(exclude_none=True) for fault in request.app[SERVICE].faults.waiting()]
    return answer({"value": faults})


async def _clear(request: web.Request) -> web.Response:
    request.app[SERVICE].faults.clear()
    return answer(status=204)
