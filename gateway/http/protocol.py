"""uvicorn's fast HTTP protocol with the bounds that it lacks, and our errors.

httptools takes heads of any size and waits for them for ever, and uvicorn answers what it can't
parse in plain text. Nothing of that reaches the application, so it is mended down here.

How it works: what arrives goes through the parser in slices, whose callbacks make requests of it.
The first one runs; those behind it wait in uvicorn's `pipeline`. Once that is long, what arrives is
held as bytes instead, and once those are many, nothing more is read; both until the pipeline is
empty. A head is timed and counted from its first byte to its end. What can't be served is refused:
from then on the connection is deaf, and closed when the answers that it is owed are out.
"""

import asyncio
import logging
import uuid
from http import HTTPStatus

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.http.errors import ApiError

log = logging.getLogger("thinkgate")

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0
_LINGER_SECONDS = 2.0
_SLICE_BYTES = 4096
_PIPELINED = 16
"""Requests that may wait behind one; a slice that has begun may add some more."""

_HEAD_TOO_BIG = ApiError(431, f"The request's head is larger than {HEAD_BYTES} bytes.")
_HEAD_TOO_SLOW = ApiError(408, f"The request's head did not arrive within {HEAD_SECONDS:.0f} s.")
_NOT_HTTP = ApiError(400, "This is not a valid HTTP request.")


class _Flow(FlowControl):
    """uvicorn resumes reading in many places; `full` overrules them all."""

    full = False

    def resume_reading(self) -> None:
        if not self.full:
            super().resume_reading()


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. A head may have 64 KiB and take ten seconds."""

    flow: _Flow
    _in_head = True
    _head_size = 0
    _parsed = 0
    _held = b""
    _timer: asyncio.TimerHandle | None = None
    _too_big = False
    _deaf = False
    _running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.flow = _Flow(transport)  # type: ignore[arg-type]
        self._arm()  # the first head is due

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._desert()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if self._held:
            self._hold(self._held + data)
        else:
            self._parse(data)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._held and not self.pipeline and not self.transport.is_closing():
            held, self._held = self._held, b""
            self.flow.full = False
            self.flow.resume_reading()
            self._parse(held)

    def _parse(self, data: bytes) -> None:
        for at in range(0, len(data), _SLICE_BYTES):
            if self._deaf:
                return
            if len(self.pipeline) >= _PIPELINED:
                self._hold(data[at:])
                return
            self._feed(data[at : at + _SLICE_BYTES])

    def _hold(self, data: bytes) -> None:
        self._held = data
        self._disarm()  # nobody can say how slow a head is that is not looked at
        if len(data) > HEAD_BYTES:
            self.flow.pause_reading()
            self.flow.full = True

    def _feed(self, data: bytes) -> None:
        """Give the parser bytes; refuse what it can't make a request of.

        Java's client offers another protocol, HTTP/2, with every request, and httptools then drops
        the body. Such a head is read again without the offer, then what came behind it.
        """
        waiting = [data]
        while waiting and not self._deaf:
            data = waiting.pop()
            if self._in_head:
                self._arm()
                self._head_size += len(data)
            elif self.cycle.response_complete:
                self._arm()  # a body that nobody wants any more: closing takes the answer back
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._offers_upgrade():
                    rest = data[offer.args[0] :]
                    waiting = [*([rest] if rest else []), self._head_without_offer()]
                    self.parser = httptools.HttpRequestParser(self)
                    self._head_size = 0
                else:
                    self._refuse(_NOT_HTTP)
            except httptools.HttpParserError:
                self._refuse(_HEAD_TOO_BIG if self._too_big else _NOT_HTTP)
            if self._in_head and self._head_size > HEAD_BYTES:
                self._refuse(_HEAD_TOO_BIG)

    def on_message_begin(self) -> None:
        self._parsed = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if self._in_head:  # what trails a body is no header, though uvicorn would make it one
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._offers_upgrade():
            return  # it will be read again
        self._in_head = False
        self._disarm()
        super().on_headers_complete()
        # uvicorn stops to read behind a pipelined request: it would not see the client go.
        self.flow.resume_reading()

    def on_message_complete(self) -> None:
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

    def _head_without_offer(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        fields = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        head = [b"%b %b HTTP/%b" % (method, self.url, version), *fields, b"", b""]
        return b"\r\n".join(head)

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
        if self._deaf:
            return
        self._deaf = True
        if self._owes_an_answer():
            self.cycle.keep_alive = False  # that answer is the last one
            return
        self._desert()
        request_id = f"req-{uuid.uuid4().hex}"
        log.debug("%s: %s", request_id, error)
        self.transport.write(_raw_response(error, request_id))
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


def _raw_response(error: ApiError, request_id: str) -> bytes:
    body = error.body()
    head = [
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "connection: close",
        "\r\n",
    ]
    return "\r\n".join(head).encode() + body
