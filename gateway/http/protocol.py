"""uvicorn's fast HTTP protocol with the bounds that it lacks, and our errors.

httptools takes heads of any size and waits for them for ever, and uvicorn answers what it can't
parse in plain text. Nothing of that reaches the application, so it is mended down here.
"""

import asyncio
from http import HTTPStatus

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.http.errors import ApiError

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0
_LINGER_SECONDS = 2.0

_HEAD_TOO_BIG = ApiError(431, f"The request's head is larger than {HEAD_BYTES} bytes.")
_HEAD_TOO_SLOW = ApiError(408, f"The request's head did not arrive within {HEAD_SECONDS:.0f} s.")
_NOT_HTTP = ApiError(400, "This is not a valid HTTP request.")


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. A head may have 64 KiB and take ten seconds."""

    _in_head = True
    _head_size = 0
    _parsed = 0
    _timer: asyncio.TimerHandle | None = None
    _too_big = False
    _deaf = False
    _running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected: the first head is due."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whomever."""
        self._disarm()
        self._desert()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; refuse a head that has become too big."""
        if self._deaf:
            return
        if self._in_head:
            self._arm()
            self._head_size += len(data)
        elif self.cycle.response_complete:
            self._arm()  # a body that nobody wants any more: closing would take the answer back
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse(_HEAD_TOO_BIG if self._too_big else _NOT_HTTP)
        if self._in_head and self._head_size > HEAD_BYTES and not self._deaf:
            self._refuse(_HEAD_TOO_BIG)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._parsed = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._offers_upgrade():
            return  # it will be read again
        self._in_head = False
        self._disarm()
        super().on_headers_complete()
        if len(self.pipeline) == 1:
            # uvicorn stops to read behind a pipelined request: it would not see the client go.
            self.flow.resume_reading()

    def on_message_complete(self) -> None:
        """The body is whole: what comes next is another head."""
        if self._offers_upgrade():
            return
        self._in_head = True
        self._head_size = 0
        self._disarm()
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > HEAD_BYTES:
            self._too_big = True
            raise ValueError("head too big")  # which makes the parser stop

    def _offers_upgrade(self) -> bool:
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _decline(self, rest: bytes) -> None:
        """Read the head again without its offer of another protocol, then what came behind it.

        Java's client offers HTTP/2 with every request, and httptools then drops the body.
        """
        if not self._offers_upgrade():
            self._refuse(_NOT_HTTP)
            return
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        fields = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        head = [b"%b %b HTTP/%b" % (method, self.url, version), *fields, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self._head_size = 0
        self.data_received(b"\r\n".join(head) + rest)

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._in_head and self._head_size:
            self._refuse(_HEAD_TOO_SLOW)
        else:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _refuse(self, error: ApiError) -> None:
        self._deaf = True
        if self._owes_an_answer():
            self.cycle.keep_alive = False  # that answer is the last one
            return
        self._desert()
        self.transport.write(_raw_response(error))
        # Closing while bytes are unread would take the answer back.
        self.transport.write_eof()
        self._disarm()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _desert(self) -> None:
        """Tell the running request that its client is gone.

        uvicorn tells the one that came last, which may still wait for its turn.
        """
        if self._running:
            self._running.disconnected = True
            self._running.message_event.set()

    def _owes_an_answer(self) -> bool:
        """Whether what was refused stands behind a request that is still to be answered."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return bool(self.pipeline) or cycle.response_started or not cycle.more_body


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
