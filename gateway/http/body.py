"""A request's body: how large it may be, how long it may take, and that it is JSON."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.errors import ApiError

_BODY_SECONDS = 60.0
_LONGEST_NUMBER = 20
"""Digits of a Content-Length that are looked at: 2**64 has as many."""


class BodyLimit:
    """Refuses bodies above a size with 413, by what they declare and by what arrives.

    Args:
        app: what answers.
        limit: in bytes.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _declared(scope) > self._limit:
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


async def read_json(scope: Scope, receive: Receive) -> bytes:
    """The whole body.

    Raises:
        ApiError: 415 if it is not declared as plain JSON, 408 if it takes too long, 400 if the
            client leaves before its end.
    """
    headers = Headers(scope=scope)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise ApiError(415, "The Content-Type must be application/json.")
    if headers.get("content-encoding", "identity") != "identity":
        raise ApiError(415, "Content-Encoding is not supported.")
    try:
        # For the whole body: a deadline for each part would let it trickle in for ever.
        async with asyncio.timeout(_BODY_SECONDS):
            return await _read(receive)
    except TimeoutError as error:
        raise ApiError(
            408,
            f"The body did not arrive within {_BODY_SECONDS:.0f} s.",
            headers={"Connection": "close"},
        ) from error


async def _read(receive: Receive) -> bytes:
    body = bytearray()  # a list of parts would weigh many times the body that comes byte by byte
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError(400, "The body is incomplete.", headers={"Connection": "close"})
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _declared(scope: Scope) -> int:
    """The declared length; 0 where it is no number: the server and counting see to that."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value[:_LONGEST_NUMBER]) if value.isdigit() else 0
    return 0
