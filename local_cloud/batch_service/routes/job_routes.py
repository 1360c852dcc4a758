"""Routes of jobs."""

from aiohttp import web

from local_cloud.batch_service.contracts.requests import JobDisable, JobPatch, JobSpec, JobTerminate, JobUpdate
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
from local_cloud.batch_service.routes.serializers import EntitySerializer
from local_cloud.batch_service.state.models import Job


def add_job_routes(app: web.Application, serializer: EntitySerializer) -> None:
    """Add the routes of jobs to the application."""
    routes = _JobRoutes(app, serializer)
    app.router.add_post("/jobs", routes.create)
    app.router.add_get("/jobs", routes.list)
    app.router.add_get("/jobs/{job}", routes.get)
    app.router.add_patch("/jobs/{job}", routes.patch)
    app.router.add_put("/jobs/{job}", routes.put)
    app.router.add_delete("/jobs/{job}", routes.delete)
    app.router.add_post("/jobs/{job}/terminate", routes.terminate)
    app.router.add_post("/jobs/{job}/disable", routes.disable)
    app.router.add_post("/jobs/{job}/enable", routes.enable)
    app.router.add_get("/jobs/{job}/taskcounts", routes.task_counts)


class _JobRoutes:
    def __init__(self, app: web.Application, serializer: EntitySerializer) -> None:
        self._service = app[SERVICE]
        self._serializer = serializer

    async def create(self, request: web.Request) -> web.Response:
        job = self._service.jobs.create(await read_body(request, JobSpec))
        # Recorded: the service returns the URL /jobs/job-1 for every new job, whatever its id.
        return json_response(status=201, headers=entity_headers(job, url=self._serializer.job_url("job-1")))

    async def list(self, request: web.Request) -> web.Response:
        jobs = [self._serializer.job(job) for job in self._service.store.jobs()]
        return list_response(request, jobs, kind="jobs")

    async def get(self, request: web.Request) -> web.Response:
        job = self._find(request)
        body = self._serializer.metadata("jobs/@Element") | self._serializer.job(job)
        return json_response(selected_properties(request, body, kind="jobs"), headers=entity_headers(job))

    async def patch(self, request: web.Request) -> web.Response:
        change = await read_body(request, JobPatch)
        job = self._service.jobs.change(self._find(request).id, change)
        return json_response(headers=operation_headers(request, job))

    async def put(self, request: web.Request) -> web.Response:
        replacement = await read_body(request, JobUpdate)
        job = self._service.jobs.change(self._find(request).id, replacement)
        return json_response(headers=operation_headers(request, job))

    async def delete(self, request: web.Request) -> web.Response:
        self._service.jobs.delete(self._find(request).id)
        return json_response(status=202)

    async def terminate(self, request: web.Request) -> web.Response:
        end = await read_body(request, JobTerminate) if request.can_read_body else JobTerminate()
        job = self._service.jobs.terminate(self._find(request).id, end.terminate_reason)
        return json_response(status=202, headers=operation_headers(request, job))

    async def disable(self, request: web.Request) -> web.Response:
        pause = await read_body(request, JobDisable)
        job = self._service.jobs.disable(self._find(request).id, pause.disable_tasks)
        return json_response(status=202, headers=operation_headers(request, job))

    async def enable(self, request: web.Request) -> web.Response:
        job = self._service.jobs.enable(self._find(request).id)
        return json_response(status=202, headers=operation_headers(request, job))

    async def task_counts(self, request: web.Request) -> web.Response:
        counts = self._service.tasks.counts(request.match_info["job"])
        return json_response(self._serializer.metadata("taskcountsresult/@Element") | counts)

    def _find(self, request: web.Request) -> Job:
        job = self._service.store.job(request.match_info["job"])
        check_preconditions(request, job)
        return job
