"""Routes of jobs."""

from aiohttp import web

from .answers import SERVICE, answer, entity_headers, listing, read_body, require_match
from .bodies import JobChange, JobEnd, JobPause, JobReplacement, JobSpec
from .models import Job
from .odata import selected
from .present import Presenter


def add_job_routes(app: web.Application, presenter: Presenter) -> None:
    """Add the routes of jobs to the application."""
    routes = _JobRoutes(app, presenter)
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
    def __init__(self, app: web.Application, presenter: Presenter) -> None:
        self._service = app[SERVICE]
        self._presenter = presenter

    async def create(self, request: web.Request) -> web.Response:
        job = self._service.jobs.create(await read_body(request, JobSpec))
        # Recorded: the service names every new job's place /jobs/job-1, whatever the job's id.
        return answer(status=201, headers=entity_headers(job, url=self._presenter.job_url("job-1")))

    async def list(self, request: web.Request) -> web.Response:
        jobs = [self._presenter.job(job) for job in self._service.store.jobs()]
        return listing(request, jobs, kind="jobs")

    async def get(self, request: web.Request) -> web.Response:
        job = self._matched(request)
        body = self._presenter.metadata("jobs/@Element") | self._presenter.job(job)
        return answer(selected(body, request.query.get("$select")), headers=entity_headers(job))

    async def patch(self, request: web.Request) -> web.Response:
        change = await read_body(request, JobChange)
        job = self._service.jobs.change(self._matched(request).id, change)
        return answer(headers=entity_headers(job))

    async def put(self, request: web.Request) -> web.Response:
        replacement = await read_body(request, JobReplacement)
        job = self._service.jobs.change(self._matched(request).id, replacement)
        return answer(headers=entity_headers(job))

    async def delete(self, request: web.Request) -> web.Response:
        self._service.jobs.delete(self._matched(request).id)
        return answer(status=202)

    async def terminate(self, request: web.Request) -> web.Response:
        end = await read_body(request, JobEnd) if request.can_read_body else JobEnd()
        self._service.jobs.terminate(self._matched(request).id, end.terminate_reason)
        return answer(status=202)

    async def disable(self, request: web.Request) -> web.Response:
        pause = await read_body(request, JobPause)
        self._service.jobs.disable(self._matched(request).id, pause.disable_tasks)
        return answer(status=202)

    async def enable(self, request: web.Request) -> web.Response:
        self._service.jobs.enable(self._matched(request).id)
        return answer(status=202)

    async def task_counts(self, request: web.Request) -> web.Response:
        counts = self._service.tasks.counts(request.match_info["job"])
        return answer(self._presenter.metadata("taskcountsresult/@Element") | counts)

    def _matched(self, request: web.Request) -> Job:
        job = self._service.store.job(request.match_info["job"])
        require_match(request, job)
        return job
