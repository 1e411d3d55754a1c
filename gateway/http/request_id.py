"""Outermost: gives each request its context, and each response its id."""

import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.context import KEY, RequestContext

_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


class RequestId:
    """Puts `x-request-id` on every response, and `openai-processing-ms` on those that are whole.

    The only middleware that wraps `send`; whoever stands further in reads the status of the
    response from the context.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = RequestContext(client_id(scope["headers"]), send=send)

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                _mark(context, message)
            await send(message)

        await self._app({**scope, KEY: context}, receive, send_marked)


def client_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The client's `X-Request-Id`, unless it could break a header or a log line."""
    for name, value in headers:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            return text if _CLIENT_ID.match(text) else None
    return None


def _mark(context: RequestContext, message: Message) -> None:
    context.status = message["status"]
    headers = list(message.get("headers", ()))
    headers.append((b"x-request-id", context.request_id.encode()))
    # A stream's headers go out before there is a time to tell.
    if not any(name == b"content-type" and b"event-stream" in value for name, value in headers):
        headers.append((b"openai-processing-ms", b"%d" % (context.seconds * 1000)))
    message["headers"] = headers
