"""A proxy in front of Azurite, in a thread of its own, whose rules spoil, delay or refuse answers.

A rule gets the request and a function that forwards it, and returns the answer; raising ConnectionAbort closes the
connection without one. `storage_rules` has the rules.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from yarl import URL

Forward = Callable[[], Awaitable[web.StreamResponse]]
Rule = Callable[[web.Request, Forward], Awaitable[web.StreamResponse]]
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-encoding"}
_NO_DEFAULTS = ("Content-Type", "Accept", "Accept-Encoding", "User-Agent")


class ConnectionAbort(Exception):  # noqa: N818 - an instruction of a rule, no error
    """The proxy closes the connection instead of answering."""


@contextmanager
def storage_proxy(ports: Mapping[int, int], rules: Sequence[Rule]) -> Iterator[None]:
    """Listen on each port of `ports` and forward to its value, through the rules in their order."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=_run, args=(loop, ports, rules, started), daemon=True)
    thread.start()
    assert started.wait(20), "the proxy did not start"
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)


def _run(
    loop: asyncio.AbstractEventLoop, ports: Mapping[int, int], rules: Sequence[Rule], started: threading.Event
) -> None:
    asyncio.set_event_loop(loop)
    session, runners = loop.run_until_complete(_start(ports, rules))
    started.set()
    loop.run_forever()
    for runner in runners:
        loop.run_until_complete(runner.cleanup())
    loop.run_until_complete(session.close())
    loop.close()


async def _start(ports: Mapping[int, int], rules: Sequence[Rule]) -> tuple[ClientSession, list[web.AppRunner]]:
    session = ClientSession(auto_decompress=False, timeout=ClientTimeout(total=60))
    runners = []
    for listen, target in ports.items():
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{tail:.*}", _handler(target, session, rules))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", listen).start()
        runners.append(runner)
    return session, runners


def _handler(
    target: int, session: ClientSession, rules: Sequence[Rule]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        async def forward() -> web.StreamResponse:
            return await _forwarded(request, target, session)

        answer: Forward = forward
        for rule in reversed(rules):
            answer = _bind(rule, request, answer)
        try:
            return await answer()
        except (ConnectionAbort, ClientError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

    return handle


def _bind(rule: Rule, request: web.Request, forward: Forward) -> Forward:
    return lambda: rule(request, forward)


async def _forwarded(request: web.Request, target: int, session: ClientSession) -> web.StreamResponse:
    """Forward a request unchanged (the signature covers path, query and headers) and return the answer."""
    url = URL(f"http://127.0.0.1:{target}{request.raw_path}", encoded=True)
    async with session.request(
        request.method,
        url,
        headers={name: value for name, value in request.headers.items() if name.lower() != "transfer-encoding"},
        data=await request.read(),
        allow_redirects=False,
        skip_auto_headers=_NO_DEFAULTS,
    ) as answer:
        body = await answer.read()
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        if request.method == "HEAD":
            response = web.StreamResponse(status=answer.status, headers=headers)
            await response.prepare(request)
            return response
        headers.pop("Content-Length", None)
        return web.Response(status=answer.status, headers=headers, body=body)
