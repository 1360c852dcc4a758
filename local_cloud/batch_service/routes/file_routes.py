"""Routes of a task's files. They are on its node, so they disappear with the node or after the retention time."""

import mimetypes
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.contracts.serialization import format_time, http_date
from local_cloud.batch_service.routes.responses import SERVICE, json_response, list_response

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def add_file_routes(app: web.Application) -> None:
    """Add the routes of task files to the application; a GET route answers HEAD too."""
    app.router.add_get("/jobs/{job}/tasks/{task}/files", _list)
    app.router.add_get("/jobs/{job}/tasks/{task}/files/{path:.+}", _get)


async def _list(request: web.Request) -> web.Response:
    root = _task_folder(request)
    recursive = request.query.get("recursive", "false").lower() == "true"
    paths = sorted(root.rglob("*") if recursive else root.glob("*"))
    base = str(request.url.with_query(None))
    files = [_entry(path, root=root, base=base) for path in paths]
    return list_response(request, files, kind="files", key="name")


async def _get(request: web.Request) -> web.Response:
    root = _task_folder(request)
    path = (root / request.match_info["path"]).resolve()
    if not path.is_relative_to(root) or not path.exists():
        raise BatchError("FileNotFound")
    status = path.stat()
    headers = {
        "Last-Modified": http_date(_time(status.st_mtime)),
        "ocp-creation-time": http_date(_time(status.st_ctime)),
        "ocp-batch-file-isdirectory": str(path.is_dir()),
        "ocp-batch-file-url": str(request.url.with_query(None)),
        "ocp-batch-file-mode": f"{status.st_mode:o}",
        "Content-Type": _content_type(path),
    }
    content = b"" if path.is_dir() else path.read_bytes()
    return web.Response(
        body=_part(content, request.headers.get("ocp-range")), headers=dict(json_response().headers) | headers
    )


def _task_folder(request: web.Request) -> Path:
    service = request.app[SERVICE]
    job = service.store.job(request.match_info["job"])
    task = service.store.task(job.id, request.match_info["task"])
    if task.node_info is None:
        raise BatchError("TaskFilesUnavailable")
    node = service.scheduler.node_directory(task.node_info.pool_id, task.node_info.node_id)
    root = node.task(job.id, task.id).root
    if not root.is_dir():
        raise BatchError("TaskFilesUnavailable")
    return root.resolve()


def _entry(path: Path, *, root: Path, base: str) -> dict[str, Any]:
    name = path.relative_to(root).as_posix()
    entry: dict[str, Any] = {"name": name, "url": f"{base}/{name}", "isDirectory": path.is_dir()}
    if path.is_dir():
        return entry
    status = path.stat()
    properties = {
        "creationTime": format_time(_time(status.st_ctime)),
        "lastModified": format_time(_time(status.st_mtime)),
        "contentLength": str(status.st_size),
        "contentType": _content_type(path),
        "fileMode": f"{status.st_mode:o}",
    }
    return entry | {"properties": properties}


def _part(content: bytes, byte_range: str | None) -> bytes:
    match = _RANGE.fullmatch(byte_range) if byte_range else None
    if match is None:
        return content
    return content[int(match[1]) : int(match[2]) + 1 if match[2] else None]


def _content_type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
