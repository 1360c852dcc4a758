"""Cross-origin requests (CORS), as Core Tools allow them by `Host.CORS` in local.settings.json or --cors.

A preflight request from an allowed origin gets 204 and never reaches a function. Other responses to an allowed origin
name it; everything else is served without these headers, and browsers then refuse the answer.
"""

from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


@dataclass(frozen=True)
class Cors:
    """The allowed origins, without trailing slashes; `*` allows all."""

    origins: frozenset[str] = frozenset()
    with_credentials: bool = False

    @classmethod
    def parse(cls, origins: str, *, with_credentials: bool = False) -> "Cors":
        """Parse a comma-separated list of origins."""
        names = (name.strip().rstrip("/").lower() for name in origins.split(","))
        return cls(frozenset(name for name in names if name), with_credentials)

    def headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers of a response to a request from `origin`; none if it is not allowed."""
        if origin is None or not self.origins.intersection({"*", origin.rstrip("/").lower()}):
            return {}
        if "*" in self.origins and not self.with_credentials:
            return {"Access-Control-Allow-Origin": "*"}
        allowed = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return allowed | ({"Access-Control-Allow-Credentials": "true"} if self.with_credentials else {})

    def middleware(self) -> Middleware:
        """Return the aiohttp middleware that answers preflight requests and marks responses."""

        @web.middleware
        async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
            headers = self.headers(request.headers.get("Origin"))
            method = request.headers.get("Access-Control-Request-Method")
            if headers and method and request.method == "OPTIONS":
                requested = request.headers.get("Access-Control-Request-Headers")
                allowed = {"Access-Control-Allow-Methods": method}
                allowed |= {"Access-Control-Allow-Headers": requested} if requested else {}
                return web.Response(status=204, headers=headers | allowed)
            try:
                response = await handler(request)
            except web.HTTPException as error:
                error.headers.update(headers)
                raise
            response.headers.update(headers)
            return response

        return handle
