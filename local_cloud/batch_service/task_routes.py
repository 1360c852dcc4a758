"""Routes of tasks."""

from aiohttp import web

from .answers import SERVICE, answer, entity_headers, listing, new_request_id, read_body, read_json, require_match
from .bodies import TaskReplacement
from .models import Task
from .odata import selected
from .present import Presenter


def add_task_routes(app: web.Application, presenter: Presenter) -> None:
    """Add the routes of tasks to the application."""
    routes = _TaskRoutes(app, presenter)
    app.router.add_post("/jobs/{job}/addtaskcollection", routes.create_collection)
    app.router.add_post("/jobs/{job}/tasks", routes.create)
    app.router.add_get("/jobs/{job}/tasks", routes.list)
    app.router.add_get("/jobs/{job}/tasks/{task}", routes.get)
    app.router.add_put("/jobs/{job}/tasks/{task}", routes.put)
    app.router.add_delete("/jobs/{job}/tasks/{task}", routes.delete)
    app.router.add_post("/jobs/{job}/tasks/{task}/reactivate", routes.reactivate)
    app.router.add_post("/jobs/{job}/tasks/{task}/terminate", routes.terminate)


class _TaskRoutes:
    def __init__(self, app: web.Application, presenter: Presenter) -> None:
        self._service = app[SERVICE]
        self._presenter = presenter

    async def create(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        task = self._service.tasks.add(job, await read_json(request))
        return answer(status=201, headers=entity_headers(task, url=self._presenter.task_url(job, task.id)))

    async def create_collection(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        body = await read_json(request)
        items = body.get("value") if isinstance(body, dict) else None
        request_id = new_request_id()
        results = [
            self._presenter.added(job, task_id, result, request_id=request_id)
            for task_id, result in self._service.tasks.add_collection(job, items)
        ]
        metadata = self._presenter.metadata("taskaddresult")
        return answer(metadata | {"value": results}, headers={"request-id": request_id})

    async def list(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        tasks = [self._presenter.task(job, task) for task in self._service.store.tasks(job)]
        return listing(request, tasks, kind="tasks")

    async def get(self, request: web.Request) -> web.Response:
        job, task = self._matched(request)
        body = self._presenter.metadata("tasks/@Element") | self._presenter.task(job, task)
        return answer(selected(body, request.query.get("$select")), headers=entity_headers(task))

    async def put(self, request: web.Request) -> web.Response:
        body = await read_body(request, TaskReplacement)
        job, task = self._matched(request)
        self._service.tasks.replace(job, task.id, body)
        return answer(headers=entity_headers(self._service.store.task(job, task.id)))

    async def delete(self, request: web.Request) -> web.Response:
        job, task = self._matched(request)
        await self._service.tasks.delete(job, task.id)
        return answer()

    async def reactivate(self, request: web.Request) -> web.Response:
        job, task = self._matched(request)
        self._service.tasks.reactivate(job, task.id)
        return answer(status=204)

    async def terminate(self, request: web.Request) -> web.Response:
        job, task = self._matched(request)
        await self._service.tasks.terminate(job, task.id)
        return answer(status=204)

    def _matched(self, request: web.Request) -> tuple[str, Task]:
        job = request.match_info["job"]
        task = self._service.store.task(job, request.match_info["task"])
        require_match(request, task)
        return job, task
