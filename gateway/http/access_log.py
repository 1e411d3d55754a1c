"""Writes each request down: a line in the log, and its place in the metrics."""

import logging
from collections.abc import Callable, Collection

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import metrics
from gateway.http.context import RequestContext, context_of

log = logging.getLogger("thinkgate.access")

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST"})
_CLIENT_GONE = 499
"""nginx's word for a client that left before it was answered."""


class AccessLog:
    """Counts each request while it is answered, and writes it down when it is over.

    Args:
        app: what answers.
        route_of: a path's label; there are few of them, whatever clients ask for.
        silent: routes without a line in the log.
        enabled: whether there are lines at all.
    """

    def __init__(
        self,
        app: ASGIApp,
        route_of: Callable[[str], str],
        *,
        silent: Collection[str] = (),
        enabled: bool = True,
    ) -> None:
        self._app = app
        self._route_of = route_of
        self._silent = frozenset(silent)
        self._enabled = enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = context_of(scope)
        route = self._route_of(context.path)
        metrics.IN_FLIGHT.labels(route).inc()
        try:
            await self._app(scope, receive, send)
        finally:
            metrics.IN_FLIGHT.labels(route).dec()
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._write(route, method, context)

    def _write(self, route: str, method: str, context: RequestContext) -> None:
        status = context.status or _CLIENT_GONE
        stream = "true" if context.stream else "false"
        metrics.REQUESTS.labels(route, method, str(status), stream).inc()
        if self._enabled and route not in self._silent:
            line = {
                "request_id": context.request_id,
                "principal": context.principal.name,
                "method": method,
                "route": route,
                "status": status,
                "stream": context.stream,
                "ms": round(context.seconds * 1000, 1),
                "error": context.error_code,
            }
            log.info("%s", orjson.dumps(line).decode())
