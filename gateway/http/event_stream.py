"""One response of server-sent events.

How it works
------------
Headers go the way of every response, through the middleware; what follows goes straight to the
server (`context.send`), since each wrapper on the way would cost every token its time.

A comment goes out whenever nothing else did for a while, so that proxies keep the connection. One
timer a stream looks when the last bytes went; where that is too long ago it says so in `ping_due`
and wakes whoever writes, so that all bytes are written by one task and none can come between.
"""

import asyncio
from collections.abc import Callable, Mapping

from sse_starlette import ServerSentEvent
from sse_starlette.sse import AppStatus
from starlette.types import Scope, Send

from gateway.http.context import context_of

# Importing sse_starlette makes SIGTERM cut every stream; draining is our business (lifecycle.py).
AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]

PING = ServerSentEvent(comment="ping", sep="\n").encode()

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


class EventStream:
    """See "How it works" above.

    Args:
        scope: the request's.
        send: what the middleware has handed down.
        headers: beside those of every stream.
        ping_seconds: how long it may be silent.
        wake: wakes whoever writes.

    Attributes:
        ping_due: it has been silent for too long.
    """

    def __init__(
        self,
        scope: Scope,
        send: Send,
        headers: Mapping[str, str],
        ping_seconds: float,
        wake: Callable[[], None],
    ) -> None:
        self._start = send
        self._send = context_of(scope).send or send
        self._headers = {**_HEADERS, **headers}
        self._ping_seconds = ping_seconds
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._last_sent = 0.0
        self.ping_due = False

    async def open(self) -> None:
        """Send status 200 and the headers."""
        headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in self._headers.items()]
        await self._start({"type": "http.response.start", "status": 200, "headers": headers})
        self._last_sent = self._loop.time()
        self._timer = self._loop.call_later(self._ping_seconds, self._look)

    async def write(self, frames: bytes) -> None:
        """Send whole frames; waits while the client reads too slowly."""
        await self._send({"type": "http.response.body", "body": frames, "more_body": True})
        self._last_sent = self._loop.time()
        self.ping_due = False

    async def close(self, frames: bytes) -> None:
        """Send the last frames."""
        await self._send({"type": "http.response.body", "body": frames, "more_body": False})

    def abandon(self) -> None:
        """Nothing more is written, whatever has been."""
        if self._timer:
            self._timer.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self._last_sent
        if silent >= self._ping_seconds:
            self.ping_due = True
            self._wake()
            silent = 0.0
        self._timer = self._loop.call_later(self._ping_seconds - silent, self._look)
