"""Reads a request's JSON body off the wire."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from gateway.errors import ApiError

_BODY_SECONDS = 60.0


async def read_json(scope: Scope, receive: Receive) -> bytes:
    """The whole body.

    Raises:
        ApiError: 415 if it is not declared as plain JSON, 408 if it takes too long.
    """
    headers = Headers(scope=scope)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise ApiError(415, "The Content-Type must be application/json.")
    if headers.get("content-encoding", "identity") != "identity":
        raise ApiError(415, "Content-Encoding is not supported.")
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _read(receive)
    except TimeoutError as error:
        raise ApiError(
            408,
            f"The body did not arrive within {_BODY_SECONDS:.0f} s.",
            headers={"Connection": "close"},
        ) from error


async def _read(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError(400, "The body is incomplete.", headers={"Connection": "close"})
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
