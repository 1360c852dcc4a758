"""Listings read every page, also where a request was lost or refused before it was answered."""

from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import HttpTransport, RequestsTransportResponse
from azure.storage.blob import ContainerClient, ExponentialRetry
from requests import PreparedRequest, Response

from frame_tools.storage.blobs.listing import list_pages

PAGE = """<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs><Blob><Name>{name}</Name><Properties>
<Last-Modified>Sun, 29 Nov 2026 05:56:08 GMT</Last-Modified><Etag>0x8D</Etag><Content-Length>5</Content-Length>
</Properties></Blob></Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"""
BUSY = 503
LOST = (ServiceRequestError("no connection"), ServiceResponseError("connection reset"))


class ScriptedTransport(HttpTransport[Any, Any]):
    """Answers one request after the other with pages, statuses and errors."""

    def __init__(self, *answers: str | int | Exception) -> None:
        self.answers = list(answers)

    def send(self, request: Any, **_: Any) -> RequestsTransportResponse:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        response = Response()
        response.status_code = answer if isinstance(answer, int) else 200
        response.headers["Content-Type"] = "application/xml"
        response._content = b"" if isinstance(answer, int) else answer.encode()
        response.request = PreparedRequest()
        return RequestsTransportResponse(request, response)

    def open(self) -> None: ...

    def close(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def sleep(self, _: float) -> None: ...


@pytest.mark.parametrize("first", [*LOST, BUSY], ids=["not sent", "no answer", "busy"])
def test_each_page_is_read_though_its_first_attempt_failed(first: Exception | int) -> None:
    """The SDK hands a hook for raw responses no answer of a later attempt, if the first one ended without any."""
    pages = (PAGE.format(name="a", marker="more"), PAGE.format(name="b", marker=""))
    transport = ScriptedTransport(first, pages[0], first, first, pages[1])
    client = ContainerClient(
        "https://account.example",
        "runs",
        transport=transport,
        retry_policy=ExponentialRetry(initial_backoff=0, random_jitter_range=0, retry_total=3),
    )
    assert [[blob.name for blob in page.items] for page in list_pages(client, "", limit=1)] == [["a"], ["b"]]
    assert transport.answers == []
