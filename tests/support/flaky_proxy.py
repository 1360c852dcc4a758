"""A fault-injecting proxy in front of Azurite: it returns 503 at random, before or after forwarding a request.

The second kind is the harder one: the write has happened, but the client receives an error and retries.
Seeded, so that a failure can be reproduced. Usage: `python tests/support/flaky_proxy.py SEED LISTEN:TARGET [...]`.
"""

import asyncio
import random
import sys

from aiohttp import ClientSession, ClientTimeout, web
from yarl import URL

BUSY = (
    b'<?xml version="1.0" encoding="utf-8"?><Error><Code>ServerBusy</Code>'
    b"<Message>The server is busy.</Message></Error>"
)
ONE_IN = 40
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-encoding"}


def handler(target: int, session: ClientSession, generator: random.Random):
    async def handle(request: web.Request) -> web.StreamResponse:
        draw = generator.randrange(ONE_IN * 2)
        if draw in (0, 1):
            print("busy", flush=True)
        if draw == 0:
            await request.read()
            return busy()
        # Forwarded unchanged: the signature covers path, query and headers.
        url = URL(f"http://127.0.0.1:{target}{request.raw_path}", encoded=True)
        async with session.request(
            request.method,
            url,
            headers={k: v for k, v in request.headers.items() if k.lower() != "transfer-encoding"},
            data=await request.read(),
            allow_redirects=False,
            skip_auto_headers=("Content-Type", "Accept", "Accept-Encoding", "User-Agent"),
        ) as answer:
            body = await answer.read()
            if draw == 1:
                return busy()
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
            if request.method == "HEAD":
                response = web.StreamResponse(status=answer.status, headers=headers)
                await response.prepare(request)
                return response
            headers.pop("Content-Length", None)
            return web.Response(status=answer.status, headers=headers, body=body)

    return handle


def busy() -> web.Response:
    return web.Response(
        status=503, body=BUSY, content_type="application/xml", headers={"x-ms-error-code": "ServerBusy"}
    )


async def main(seed: int, pairs: list[str]) -> None:
    async with ClientSession(auto_decompress=False, timeout=ClientTimeout(total=60)) as session:
        for number, pair in enumerate(pairs):
            listen, target = map(int, pair.split(":"))
            app = web.Application(client_max_size=2**30)
            app.router.add_route("*", "/{tail:.*}", handler(target, session, random.Random(seed + number)))
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", listen).start()
        print("proxy is listening", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
