"""What every request passes on its way in, as plain ASGI: books, prefixes, keys, body size."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Sequence

import orjson
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import metrics
from gateway.context import KEY, RequestContext, client_id, context_of
from gateway.errors import ApiError, BadRequest, Unavailable
from gateway.reasoning import SWITCH_WORDS, VISIBILITY_WORDS

access_log = logging.getLogger("thinkgate.access")

PROBES = frozenset({"/live", "/ready", "/health"})
_WORDS = VISIBILITY_WORDS.keys() | SWITCH_WORDS.keys()


def split_prefixes(path: str) -> tuple[tuple[str, ...], str]:
    """The words in front of a path, and the path without them.

    Each word may stand there once, and each only while a path is left behind it.
    """
    words: list[str] = []
    while True:
        _, first, *rest = path.split("/", 2) if path.startswith("/") else ("", "")
        if not rest or first not in _WORDS or first in words:
            return tuple(words), path
        words.append(first)
        path = "/" + rest[0]


class Books:
    """Outermost: gives each request its context and id, and writes it down when it is over.

    Args:
        app: what answers.
        route_of: a path's label in the metrics.
        log: whether to write the access log.
    """

    def __init__(self, app: ASGIApp, route_of: Callable[[str], str], *, log: bool) -> None:
        self._app = app
        self._route_of = route_of
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        root = scope.get("root_path", "")
        prefixes, path = split_prefixes(scope["path"].removeprefix(root))
        context = RequestContext(client_id(scope["headers"]), path, prefixes)
        scope = {**scope, KEY: context, "path": root + path}
        scope.pop("raw_path", None)
        route = self._route_of(path)

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                _mark(context, message)
            await send(message)

        metrics.IN_FLIGHT.labels(route).inc()
        try:
            await self._app(scope, receive, send_marked)
        except asyncio.CancelledError:
            # Only the end of a drain does this, and uvicorn's own last words are plain text.
            if not context.status:
                error = Unavailable("The server is shutting down.", "server_draining")
                context.error_code = error.code
                await error.response()(scope, receive, send_marked)
            raise
        finally:
            metrics.IN_FLIGHT.labels(route).dec()
            self._write(route, scope["method"], context)

    def _write(self, route: str, method: str, context: RequestContext) -> None:
        status = context.status or 499
        known = method if method in ("GET", "POST", "OPTIONS", "HEAD") else "other"
        stream = "true" if context.stream else "false"
        metrics.REQUESTS.labels(route, known, str(status), stream).inc()
        if self._log and route not in PROBES:
            line = {
                "request_id": context.request_id,
                "method": known,
                "route": route,
                "status": status,
                "stream": context.stream,
                "ms": round(context.seconds * 1000, 1),
                "error": context.error_code,
            }
            access_log.info("%s", orjson.dumps(line).decode())


def _mark(context: RequestContext, message: Message) -> None:
    """Put the id, and for whole responses the time, on a response that is about to start."""
    context.status = message["status"]
    headers = list(message.get("headers", ()))
    headers.append((b"x-request-id", context.request_id.encode()))
    if not any(name == b"content-type" and b"event-stream" in value for name, value in headers):
        headers.append((b"openai-processing-ms", b"%d" % (context.seconds * 1000)))
    message["headers"] = headers


class Cors(CORSMiddleware):
    """Starlette's, but for the plain text of its refusals."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """What a browser is told that asks before it sends."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        refusal = BadRequest(bytes(response.body).decode() + ".").response()
        refusal.headers["Vary"] = "Origin"
        return refusal


class ApiKeys:
    """Lets nobody in without a key, but for the probes.

    Args:
        app: what answers.
        digests: SHA-256 of every key; none means that no key is asked for.
        open_paths: paths that need none.
    """

    def __init__(self, app: ASGIApp, digests: Sequence[bytes], open_paths: frozenset[str]) -> None:
        self._app = app
        self._digests = tuple(digests)
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 401."""
        if scope["type"] != "http" or not self._digests or self._may_enter(scope):
            await self._app(scope, receive, send)
            return
        error = ApiError(
            401,
            "The API key is missing or wrong; send it as a bearer token.",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )
        context_of(scope).error_code = error.code
        await error.response()(scope, receive, send)

    def _may_enter(self, scope: Scope) -> bool:
        return context_of(scope).path in self._open_paths or self._known(scope["headers"])

    def _known(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        sent = [value for name, value in headers if name == b"authorization"]
        scheme, _, key = sent[0].partition(b" ") if len(sent) == 1 else (b"", b"", b"")
        digest = hashlib.sha256(key.strip()).digest()
        # Every digest is compared, so that the time tells nothing about which one fits.
        fits = [hmac.compare_digest(digest, known) for known in self._digests]
        return scheme.lower() == b"bearer" and any(fits)


class BodyLimit:
    """Refuses bodies above a size, by what they declare and by what arrives.

    Args:
        app: what answers.
        limit: in bytes.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = [value for name, value in scope["headers"] if name == b"content-length"]
        if declared and declared[0].isdigit() and int(declared[0]) > self._limit:
            await self._too_big().response()(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise self._too_big()
            return message

        await self._app(scope, receive_counted, send)

    def _too_big(self) -> ApiError:
        return ApiError(413, f"The body is larger than {self._limit} bytes.")
