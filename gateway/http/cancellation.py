"""What a client is told whose request is cancelled."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.context import context_of
from gateway.http.errors import Unavailable


class Cancellation:
    """Answers a cancelled request if nobody has, and marks it as cancelled by us.

    Nothing but the end of a drain cancels a request: a client that leaves is told to the
    application by `receive`. uvicorn's own last words would be plain text.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] == "http":
                error = Unavailable("The server is shutting down.", "server_draining")
                context = context_of(scope)
                context.error_code = context.error_code or error.code
                if not context.status:
                    await error.response()(scope, receive, send)
            raise
