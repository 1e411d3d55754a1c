"""uvicorn's fast HTTP protocol with the bounds that it lacks, and our errors.

httptools takes heads of any size and waits for them for ever, and uvicorn answers what it can't
parse in plain text. Nothing of that reaches the application, so it is mended down here.
"""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.errors import ApiError

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0

_HEAD_TOO_BIG = ApiError(431, f"The request's head is larger than {HEAD_BYTES} bytes.")
_HEAD_TOO_SLOW = ApiError(408, f"The request's head did not arrive within {HEAD_SECONDS:.0f} s.")
_NOT_HTTP = ApiError(400, "This is not a valid HTTP request.")


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. A head may have 64 KiB and take ten seconds."""

    _in_head = True
    _head_size = 0
    _head_timer: asyncio.TimerHandle | None = None
    _too_big = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected: the first head is due."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whomever."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; refuse a head that has become too big."""
        if self._in_head:
            self._arm()
            self._head_size += len(data)
        super().data_received(data)
        if self._in_head and self._head_size > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(_HEAD_TOO_BIG)

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._count(len(self.url) + len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header."""
        super().on_header(name, value)
        self._count(sum(len(key) + len(text) + 4 for key, text in self.headers))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is whole: what comes next is another head."""
        self._in_head = True
        self._head_size = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """uvicorn could not parse what came, or a bound was met while it did."""
        self._refuse(_HEAD_TOO_BIG if self._too_big else _NOT_HTTP)

    def _count(self, size: int) -> None:
        if size > HEAD_BYTES:
            self._too_big = True
            raise ValueError("head too big")  # makes the parser stop and call send_400_response

    def _arm(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_late)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._head_timer = None
        if self._head_size:
            self._refuse(_HEAD_TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering:
            self.transport.write(_raw_response(error))
        self.transport.close()


def _raw_response(error: ApiError) -> bytes:
    body = error.body()
    head = [
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        "\r\n",
    ]
    return "\r\n".join(head).encode() + body
