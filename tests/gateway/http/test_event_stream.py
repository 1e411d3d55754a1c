"""Headers, frames and pings of one stream, on a clock that the test moves."""

from types import SimpleNamespace

import pytest

from gateway.http.context import KEY, RequestContext
from gateway.http.event_stream import PING, EventStream

pytestmark = pytest.mark.anyio


class Timer:
    """What `call_later` returns."""

    def __init__(self, due, callback):
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class Clock:
    """As much of an event loop as timers take."""

    def __init__(self):
        self.now = 1000.0
        self.timers = []

    def time(self):
        return self.now

    def call_later(self, delay, callback):
        timer = Timer(self.now + delay, callback)
        self.timers.append(timer)
        return timer

    def move(self, seconds):
        """Let time pass; timers ring when it is their time."""
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.due <= end and not timer.cancelled]:
            timer = min(due, key=lambda each: each.due)
            self.timers.remove(timer)
            self.now = timer.due
            timer.callback()
        self.now = end


class Wire:
    """What was sent, by which way, and how often the writer was woken."""

    def __init__(self):
        self.wrapped = []
        self.direct = []
        self.woken = 0

    async def through_middleware(self, message):
        self.wrapped.append(message)

    async def to_the_server(self, message):
        self.direct.append(message)

    def wake(self):
        self.woken += 1


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(
        "gateway.http.event_stream.asyncio", SimpleNamespace(get_running_loop=lambda: made)
    )
    return made


async def opened(wire, ping_seconds=10.0):
    """A stream whose headers are out."""
    context = RequestContext(send=wire.to_the_server)
    stream = EventStream(
        {KEY: context}, wire.through_middleware, {"X-More": "é"}, ping_seconds, wire.wake
    )
    await stream.open()
    return stream


async def test_chunks_pass_no_middleware(clock):
    """Headers go its way, since it adds to them; what follows goes straight to the server."""
    wire = Wire()
    stream = await opened(wire)
    await stream.write(b"one")
    await stream.write(PING)
    await stream.close(b"last")

    (start,) = wire.wrapped
    assert (start["type"], start["status"]) == ("http.response.start", 200)
    assert dict(start["headers"]) == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-cache",
        b"x-accel-buffering": b"no",
        b"x-more": b"\xe9",
    }
    assert [(message["body"], message["more_body"]) for message in wire.direct] == [
        (b"one", True),
        (b": ping\n\n", True),
        (b"last", False),
    ]


async def test_silence_makes_a_ping_due(clock):
    """Every time that nothing went out for so long; the writer is woken to send it."""
    wire = Wire()
    stream = await opened(wire)
    for number in range(1, 4):
        clock.move(9.9)
        assert (stream.ping_due, wire.woken) == (False, number - 1)
        clock.move(0.1)
        assert (stream.ping_due, wire.woken) == (True, number)
        await stream.write(PING)
        assert not stream.ping_due


async def test_no_ping_while_frames_flow(clock):
    """A ping is for silence: a stream that takes many times as long has none."""
    wire = Wire()
    stream = await opened(wire)
    for _ in range(100):
        clock.move(9.9)
        await stream.write(b"frame")
    assert (stream.ping_due, wire.woken) == (False, 0)
    clock.move(10.0)
    assert stream.ping_due


async def test_a_ping_that_was_not_sent_is_still_due(clock):
    """A writer that is held up finds one ping to send, however long it took."""
    wire = Wire()
    stream = await opened(wire)
    clock.move(95.0)
    assert stream.ping_due
    await stream.write(b"frame")
    assert not stream.ping_due


async def test_an_abandoned_stream_leaves_no_timer(clock):
    """It wakes nobody any more."""
    wire = Wire()
    stream = await opened(wire)
    stream.abandon()
    clock.move(100.0)
    assert (wire.woken, stream.ping_due) == (0, False)
