"""Deltas to server-sent events."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping

from sse_starlette import EventSourceResponse
from sse_starlette.sse import AppStatus
from starlette.types import Message, Send

from engine.errors import EngineError
from engine.types import Delta
from gateway import metrics
from gateway.exchange import Exchange
from gateway.http.context import RequestContext
from gateway.http.errors import as_api_error
from gateway.schema import StreamOptions
from gateway.wire import DONE, Dialect

log = logging.getLogger("thinkgate")

# Importing sse_starlette makes SIGTERM cut every stream; draining is our business (life.py).
AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]

_PING = b": ping\n\n"


class EventStream(EventSourceResponse):
    """Sends frames that are ready to be sent, and a comment when there were none for a while.

    The library's own ping comes at fixed times whatever else is sent, and its timeout around
    each send costs more than the send.

    Args:
        frames: whole frames, each ending with an empty line.
        headers: beside those of every stream.
        ping_seconds: how long it may be silent.
    """

    def __init__(
        self, frames: AsyncIterator[bytes], headers: Mapping[str, str], ping_seconds: float
    ) -> None:
        super().__init__(
            frames, headers={"Cache-Control": "no-cache", **headers}, ping=ping_seconds
        )
        # The library's keep-alive would contradict the close that the client may have asked for.
        del self.headers["connection"]
        self._last_sent = time.monotonic()

    async def _send_with_timeout(self, send: Send, message: Message) -> None:
        self._last_sent = time.monotonic()
        await send(message)

    async def _ping(self, send: Send) -> None:
        # Returning would end the response, and its last bytes may still wait for a slow reader.
        while True:
            silent = time.monotonic() - self._last_sent
            if silent < self.ping_interval:
                await asyncio.sleep(self.ping_interval - silent)
                continue
            async with self._send_lock:
                if self.active:
                    message = {"type": "http.response.body", "body": _PING, "more_body": True}
                    await self._send_with_timeout(send, message)


class Framer:
    """Makes a stream's frames of deltas.

    Args:
        exchange: takes the deltas.
        dialect: the route's shapes.
        options: what the stream carries beside them.
        watch: times them.
    """

    def __init__(
        self,
        exchange: Exchange,
        dialect: Dialect,
        options: StreamOptions,
        watch: metrics.Stopwatch,
    ) -> None:
        self._exchange = exchange
        self._dialect = dialect
        self._options = options
        self._watch = watch
        self._opened: set[int] = set()

    async def frames(
        self, deltas: AsyncIterator[Delta], context: RequestContext
    ) -> AsyncIterator[bytes]:
        """All frames.

        After an error, the engine's or ours, the stream ends without `[DONE]`: nothing that was
        sent so far can be mistaken for a whole reply.
        """
        try:
            async for delta in deltas:
                if frame := self._frame(delta):
                    yield frame
                if self._exchange.done:
                    break
        except Exception as error:
            told = as_api_error(error)
            if not isinstance(error, EngineError):
                log.exception("a stream failed")
            context.error_code = told.code
            metrics.STREAM_ERRORS.labels(told.code or told.kind).inc()
            yield b"data: " + told.body() + b"\n\n"
            return
        if self._options.include_usage:
            yield self._dialect.usage_frame(self._exchange.usage())
        yield DONE

    def _frame(self, delta: Delta) -> bytes:
        """What one delta adds; nothing if its choice is over, or hides what it thinks."""
        index, reply = delta.index, self._exchange.replies[delta.index]
        over = reply.finish_reason is not None
        piece = self._exchange.feed(delta)
        if over:
            return b""
        self._watch.tick(index, reply)
        usage = self._exchange.usage() if self._options.continuous_usage_stats else None
        frame = b""
        if piece.thinking or piece.answer or piece.tool_calls:
            frame = self._dialect.piece_frames(index, piece, usage)
        if reply.finish_reason:
            frame += self._dialect.finish_frame(index, reply, usage)
        if index not in self._opened:
            self._opened.add(index)
            frame = self._dialect.open_frame(index, usage, alone=not frame) + frame
        return frame
