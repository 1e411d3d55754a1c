"""From a rendered request to its response: submit, watch the client, deliver, keep the books."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.types import Delta, Engine, Generation
from gateway import metrics
from gateway.exchange import Exchange
from gateway.http.context import context_of
from gateway.reply import Piece
from gateway.schema import StreamOptions
from gateway.stream import EventStream, Framer
from gateway.wire import Dialect

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request, ready to be run.

    Attributes:
        generations: one for each prompt.
        exchange: takes their deltas.
        dialect: the route's shapes.
        model: the canonical name.
        visibility: for the books.
        headers: of the response.
        stream: how to stream; None for a whole response.
        ping_seconds: how long a stream may be silent.
    """

    generations: Sequence[Generation]
    exchange: Exchange
    dialect: Dialect
    model: str
    visibility: str
    headers: Mapping[str, str]
    stream: StreamOptions | None
    ping_seconds: float

    async def run(self, engine: Engine, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request.

        Raises:
            EngineError: before the response has begun.
        """
        context = context_of(scope)
        watch = metrics.Stopwatch(self.model, context.started, streamed=self.stream is not None)
        reason, body = "error", None
        try:
            async with _submitted(engine, self.generations) as deltas:
                if self.stream:
                    framer = Framer(self.exchange, self.dialect, self.stream, watch)
                    frames = framer.frames(deltas, context)
                    await EventStream(frames, self.headers, self.ping_seconds)(scope, receive, send)
                    gone = not self.exchange.done and context.error_code is None
                else:
                    body = await _unless_gone(receive, self._whole(deltas, watch))
                    gone = body is None
                reason = "client_disconnected" if gone else reason
        except asyncio.CancelledError:
            reason = "client_disconnected"
            raise
        finally:
            self._book(watch, reason)
        if body is not None:
            response = Response(body, headers=self.headers, media_type="application/json")
            await response(scope, receive, send)

    async def _whole(self, deltas: AsyncIterator[Delta], watch: metrics.Stopwatch) -> bytes:
        pieces: list[list[Piece]] = [[] for _ in self.exchange.replies]
        async for delta in deltas:
            pieces[delta.index].append(self.exchange.feed(delta))
            watch.tick(delta.index, self.exchange.replies[delta.index])
            if self.exchange.done:
                break
        texts = [
            Piece(
                "".join(p.thinking for p in each),
                "".join(p.answer for p in each),
                [call for p in each for call in p.tool_calls],
            )
            for each in pieces
        ]
        return self.dialect.whole(self.exchange.replies, texts, self.exchange.usage())

    def _book(self, watch: metrics.Stopwatch, reason: str) -> None:
        watch.finish(self.exchange, self.visibility)
        if reason == "client_disconnected":
            metrics.DISCONNECTS.inc()
        if len(self.exchange.ends) < len(self.exchange.replies):
            metrics.ABORTS.labels("stop_string" if self.exchange.done else reason).inc()


@asynccontextmanager
async def _submitted(
    engine: Engine, generations: Sequence[Generation]
) -> AsyncIterator[AsyncIterator[Delta]]:
    """All generations accepted, their deltas in one stream, choices numbered through."""
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(engine.submit(each)) for each in generations]
        if len(streams) == 1:
            yield streams[0]
            return
        n = generations[0].sampling.n
        queue: asyncio.Queue[Delta | Exception | None] = asyncio.Queue()
        pumps = [
            asyncio.get_running_loop().create_task(_pump(stream, number * n, queue))
            for number, stream in enumerate(streams)
        ]
        try:
            yield _merged(queue, len(pumps))
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)


async def _pump(
    stream: AsyncIterator[Delta], shift: int, queue: "asyncio.Queue[Delta | Exception | None]"
) -> None:
    try:
        async for delta in stream:
            queue.put_nowait(replace(delta, index=delta.index + shift))
    except Exception as error:
        queue.put_nowait(error)
    queue.put_nowait(None)


async def _merged(
    queue: "asyncio.Queue[Delta | Exception | None]", streams: int
) -> AsyncIterator[Delta]:
    while streams:
        match await queue.get():
            case None:
                streams -= 1
            case Exception() as error:
                raise error
            case Delta() as delta:
                yield delta


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result of `work`; None if the client closed the connection first."""
    loop = asyncio.get_running_loop()
    working, gone = loop.create_task(work), loop.create_task(_gone(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.wait({working, gone})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
