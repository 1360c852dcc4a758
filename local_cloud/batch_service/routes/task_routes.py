"""Routes of tasks."""

from aiohttp import web

from local_cloud.batch_service.contracts.requests import TaskUpdate
from local_cloud.batch_service.routes.responses import (
    SERVICE,
    check_preconditions,
    entity_headers,
    json_response,
    list_response,
    new_request_id,
    operation_headers,
    read_body,
    read_json,
    selected_properties,
)
from local_cloud.batch_service.routes.serializers import EntitySerializer
from local_cloud.batch_service.state.models import Task


def add_task_routes(app: web.Application, serializer: EntitySerializer) -> None:
    """Add the routes of tasks to the application."""
    routes = _TaskRoutes(app, serializer)
    app.router.add_post("/jobs/{job}/addtaskcollection", routes.create_collection)
    app.router.add_post("/jobs/{job}/tasks", routes.create)
    app.router.add_get("/jobs/{job}/tasks", routes.list)
    app.router.add_get("/jobs/{job}/tasks/{task}", routes.get)
    app.router.add_put("/jobs/{job}/tasks/{task}", routes.put)
    app.router.add_delete("/jobs/{job}/tasks/{task}", routes.delete)
    app.router.add_post("/jobs/{job}/tasks/{task}/reactivate", routes.reactivate)
    app.router.add_post("/jobs/{job}/tasks/{task}/terminate", routes.terminate)


class _TaskRoutes:
    def __init__(self, app: web.Application, serializer: EntitySerializer) -> None:
        self._service = app[SERVICE]
        self._serializer = serializer

    async def create(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        task = self._service.tasks.add(job, await read_json(request))
        return json_response(status=201, headers=entity_headers(task, url=self._serializer.task_url(job, task.id)))

    async def create_collection(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        body = await read_json(request)
        items = body.get("value") if isinstance(body, dict) else None
        request_id = new_request_id()
        results = [
            self._serializer.added_item(job, task_id, result, request_id=request_id)
            for task_id, result in self._service.tasks.add_collection(job, items)
        ]
        metadata = self._serializer.metadata("taskaddresult")
        return json_response(metadata | {"value": results}, headers={"request-id": request_id})

    async def list(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        tasks = [self._serializer.task(job, task) for task in self._service.store.tasks(job)]
        return list_response(request, tasks, kind="tasks")

    async def get(self, request: web.Request) -> web.Response:
        job, task = self._find(request)
        body = self._serializer.metadata("tasks/@Element") | self._serializer.task(job, task)
        return json_response(selected_properties(request, body, kind="tasks"), headers=entity_headers(task))

    async def put(self, request: web.Request) -> web.Response:
        body = await read_body(request, TaskUpdate)
        job, task = self._find(request)
        self._service.tasks.replace(job, task.id, body)
        return json_response(headers=operation_headers(request, self._service.store.task(job, task.id)))

    async def delete(self, request: web.Request) -> web.Response:
        job, task = self._find(request)
        await self._service.tasks.delete(job, task.id)
        return json_response()

    async def reactivate(self, request: web.Request) -> web.Response:
        job, task = self._find(request)
        self._service.tasks.reactivate(job, task.id)
        return json_response(status=204, headers=operation_headers(request, self._service.store.task(job, task.id)))

    async def terminate(self, request: web.Request) -> web.Response:
        job, task = self._find(request)
        await self._service.tasks.terminate(job, task.id)
        return json_response(status=204, headers=operation_headers(request, self._service.store.task(job, task.id)))

    def _find(self, request: web.Request) -> tuple[str, Task]:
        job = request.match_info["job"]
        task = self._service.store.task(job, request.match_info["task"])
        check_preconditions(request, task)
        return job, task
