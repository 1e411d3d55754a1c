"""Runs one request: submit, deliver while the client is there, account.

How it works
------------
The engine's `async with` owns the request: however this is left, nothing stays behind in it. One
task beside watches for the client's departure and makes the next `gained` raise `ClientGone`.
A choice that is over though the engine goes on with it (a stop string) is ended there at once.

Before the response has begun, what goes wrong is raised, and becomes an HTTP status; afterwards it
is the stream's last frame.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.errors import EngineError, EngineStopping
from engine.protocol import Engine, Submission
from engine.types import Delta, GenerationRequest
from gateway import metrics
from gateway.http.context import RequestContext, context_of
from gateway.http.errors import as_api_error
from gateway.http.event_stream import PING, EventStream
from gateway.serving.choice import Piece
from gateway.serving.request import RequestState
from gateway.serving.stopwatch import Stopwatch
from gateway.serving.writer import Writer

_log = logging.getLogger("thinkgate")


class ClientGone(Exception):
    """The client has closed the connection."""


@dataclass(frozen=True, slots=True)
class GenerationRun:
    """One request, ready to be run.

    Attributes:
        request: what the engine is asked.
        state: takes what it answers.
        writer: the API's.
        model: the canonical name, for the metrics.
        visibility: likewise.
        headers: of the response.
        streamed: whether the response is a stream.
        continuous_usage: whether each of its chunks says what was used so far.
        ping_seconds: how long it may be silent.
        gather_until: the token that ends thinking, where nobody wants to see any of that.
    """

    request: GenerationRequest
    state: RequestState
    writer: Writer
    model: str
    visibility: str
    headers: Mapping[str, str]
    streamed: bool
    continuous_usage: bool
    ping_seconds: float
    gather_until: int | None

    async def respond(self, engine: Engine, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request.

        Raises:
            EngineError: before the response has begun.
        """
        context = context_of(scope)
        watch = Stopwatch(self.model, context.started, streamed=self.streamed)
        body = None
        async with engine.submit(self.request) as submission:
            departure = asyncio.get_running_loop().create_task(_watch(receive, submission))
            failure: BaseException | None = None
            try:
                if self.streamed:
                    stream = EventStream(
                        scope, send, self.headers, self.ping_seconds, submission.wake
                    )
                    failure = await self._stream(submission, stream, watch, context)
                else:
                    body = await self._whole(submission, watch)
            except ClientGone as error:
                failure = error
                metrics.DISCONNECTS.inc()
            except BaseException as error:
                failure = error
                raise
            finally:
                departure.cancel()
                self._account(watch, failure)
        if body is not None:
            response = Response(body, headers=self.headers, media_type="application/json")
            await response(scope, receive, send)

    async def _stream(
        self,
        submission: Submission,
        stream: EventStream,
        watch: Stopwatch,
        context: RequestContext,
    ) -> Exception | None:
        """Write the stream; return what it ended with before its time, as the client was told."""
        await stream.open()
        try:
            opened: set[int] = set()
            gathering: set[int] = set()
            while not self.state.done:
                frames = b""
                for delta in await submission.gained():
                    watched = delta.index in gathering
                    frames += self._frame(delta, submission, opened)
                    watch.tick(delta.index, self.state.choices[delta.index], gathered=watched)
                    self._gather(delta.index, submission, gathering)
                if frames or stream.ping_due:
                    await stream.write(frames or PING)
            await stream.close(self.writer.ended(self.state.usage()))
        except ClientGone:
            raise
        except Exception as error:
            if not isinstance(error, EngineError):
                _log.exception("a stream failed")
            told = as_api_error(error)
            context.error_code = told.code
            metrics.STREAM_ERRORS.labels(told.code or told.kind).inc()
            await stream.close(self.writer.failed(told))
            return error
        finally:
            stream.abandon()
        return None

    def _frame(self, delta: Delta, submission: Submission, opened: set[int]) -> bytes:
        """Take what a choice has gained, and write it; nothing where all of it is hidden."""
        index, choice = delta.index, self.state.choices[delta.index]
        piece = self.state.feed(delta)
        usage = self.state.usage() if self.continuous_usage else None
        frame = self.writer.delta(index, piece, usage) if piece else b""
        if choice.finish_reason:
            frame += self.writer.finished(index, choice, usage)
            _end(submission, index, self.state)
        if index not in opened:
            opened.add(index)
            frame = self.writer.opened(index, usage, alone=not frame) + frame
        return frame

    def _gather(self, index: int, submission: Submission, gathering: set[int]) -> None:
        """Have hidden thinking come when it is over: nobody reads it, and each token costs."""
        if self.gather_until is None:
            return
        choice = self.state.choices[index]
        if choice.thinking and index not in gathering and not choice.finish_reason:
            gathering.add(index)
            submission.gather(index, self.gather_until)
        elif not choice.thinking and index in gathering:
            gathering.discard(index)
            submission.gather(index, None)

    async def _whole(self, submission: Submission, watch: Stopwatch) -> bytes:
        gained: list[list[Piece]] = [[] for _ in self.state.choices]
        while not self.state.done:
            for delta in await submission.gained():
                gained[delta.index].append(self.state.feed(delta))
                choice = self.state.choices[delta.index]
                watch.tick(delta.index, choice)
                if choice.finish_reason:
                    _end(submission, delta.index, self.state)
        pieces = [
            Piece(
                "".join(piece.thinking for piece in each),
                "".join(piece.answer for piece in each),
                [call for piece in each for call in piece.tool_calls],
            )
            for each in gained
        ]
        return self.writer.whole(self.state.choices, pieces, self.state.usage())

    def _account(self, watch: Stopwatch, failure: BaseException | None) -> None:
        watch.finish(self.state, self.visibility)
        if running := sum(choice.finish_reason is None for choice in self.state.choices):
            metrics.ABORTS.labels(_abort_reason(failure)).inc(running)


def _abort_reason(failure: BaseException | None) -> str:
    match failure:
        case ClientGone():
            return "client_disconnected"
        case EngineStopping() | asyncio.CancelledError():  # nothing else cancels a request
            return "server_draining"
        case _:
            return "error"


def _end(submission: Submission, index: int, state: RequestState) -> None:
    """A choice is over: unless the engine said so, tell it."""
    if state.choices[index].last_delta is None:
        submission.end(index)
        metrics.ABORTS.labels("stop_string").inc()


async def _watch(receive: Receive, submission: Submission) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    submission.fail(ClientGone())
