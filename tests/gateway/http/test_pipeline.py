"""Requests that are sent before the ones in front of them are answered."""

import asyncio
from typing import Any

import pytest

from gateway.http.protocol import BoundedHttpProtocol
from tests.conftest import RunServer, eventually, request
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO: list[Any] = [{"role": "user", "content": "?"}]
MODELS = request("GET", "/v1/models")


async def test_pipelined_requests(run_server: RunServer) -> None:
    """Requests sent without waiting are all answered, in their order."""
    engine = FakeEngine(pause=0.001)
    last = request("GET", "/nowhere", None, {"connection": "close"})
    stream = request("POST", CHAT, {"messages": HELLO, "stream": True})
    async with run_server(engine) as running, running.connect() as connection:
        connection.send(request("POST", CHAT, {"messages": HELLO}), MODELS, stream, MODELS, last)
        data = await connection.rest()
    order = [b'"chat.completion"', b'"list"', b"[DONE]", b'"list"', b"no such route"]
    at = 0
    for mark in order:
        at = data.index(mark, at) + 1
    assert data.count(b"HTTP/1.1 ") == 5


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("more", [b"garbage\r\n\r\n", b"GET /" + b"x" * 70_000])
async def test_garbage_behind_a_request(
    run_server: RunServer, connections: list[BoundedHttpProtocol], stream: bool, more: bytes
) -> None:
    """A request is answered whatever comes behind it; then the connection is closed."""
    engine = FakeEngine(hold=asyncio.Event())
    async with run_server(engine) as running, running.connect() as connection:
        connection.send(request("POST", CHAT, {"messages": HELLO, "stream": stream}))
        await eventually(lambda: engine.open)
        connection.send(more)
        await eventually(lambda: connections[0]._deaf)
        assert engine.open
        assert engine.hold
        engine.hold.set()
        data = await connection.rest()
    assert data.startswith(b"HTTP/1.1 200 ")
    assert data.count(b"HTTP/1.1 ") == 1
    assert b'"finish_reason":"stop"' in data


@pytest.mark.parametrize("count", [600, 5_000])
@pytest.mark.parametrize("together", [False, True])
async def test_many_offers_at_once(run_server: RunServer, count: int, together: bool) -> None:
    """However many heads with an offer come at once or one by one, each is answered."""
    offer = {"connection": "Upgrade", "upgrade": "h2c"}
    head = request("GET", "/live", None, offer)
    last = request("GET", "/nowhere", None, {"connection": "close"})
    async with run_server(FakeEngine()) as running, running.connect() as connection:
        answers = asyncio.create_task(connection.rest(seconds=60))
        if together:
            connection.send(head * count, last)
        else:
            for number in range(count):
                connection.send(head)
                if number % 10 == 0:
                    await asyncio.sleep(0)
            connection.send(last)
        data = await answers
    assert data.count(b"HTTP/1.1 200 ") == count
    assert data.count(b"HTTP/1.1 404 ") == 1


@pytest.mark.parametrize("offer", [b"", b"connection: upgrade\r\nupgrade: h2c\r\n"])
async def test_a_flood_of_pipelined_requests(
    run_server: RunServer, connections: list[BoundedHttpProtocol], offer: bytes
) -> None:
    """Behind a running request few wait as requests, few as bytes, the rest with their client."""
    engine = FakeEngine(hold=asyncio.Event())
    head, count = b"GET /live HTTP/1.1\r\n" + offer + b"\r\n", 20_000 // (1 + len(offer) // 10)
    async with run_server(engine) as running, running.connect() as connection:
        answers = asyncio.create_task(connection.rest(seconds=120))
        connection.send(request("POST", CHAT, {"messages": HELLO}))
        await eventually(lambda: engine.open)
        connection.send(head * count, request("GET", "/live", None, {"connection": "close"}))
        (server,) = connections
        await eventually(lambda: server.flow.read_paused, 5)
        most_requests, most_bytes = 0, 0
        assert engine.hold
        engine.hold.set()
        while not answers.done():
            most_requests = max(most_requests, len(server.pipeline))
            most_bytes = max(most_bytes, len(server._held))
            await asyncio.sleep(0)
        data = await answers
    assert data.count(b"HTTP/1.1 200 ") == count + 2
    assert 16 <= most_requests < 16 + 4096 // len(head) + 2
    assert most_bytes < 64 * 1024 + 512 * 1024  # what was read before reading stopped


async def test_a_client_that_leaves_a_full_pipeline(
    run_server: RunServer, connections: list[BoundedHttpProtocol]
) -> None:
    """Its leaving is seen however many of its requests wait."""
    engine = FakeEngine(hold=asyncio.Event())
    async with run_server(engine) as running, running.connect() as connection:
        connection.send(request("POST", CHAT, {"messages": HELLO, "stream": True}))
        await eventually(lambda: engine.open)
        for number in range(1, 6):
            connection.send(MODELS)
            await eventually(lambda waiting=number: len(connections[0].pipeline) == waiting)
        connection.send(MODELS * 20)
        await eventually(lambda: len(connections[0].pipeline) == 25)
        assert engine.open
        connection.reset()
        await eventually(lambda: not engine.open)


async def test_a_head_that_is_not_looked_at_is_not_slow(
    run_server: RunServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline that is full for longer than a head may take costs nobody an answer."""
    monkeypatch.setattr("gateway.http.protocol.HEAD_SECONDS", 0.1)
    engine = FakeEngine(hold=asyncio.Event())
    head, count = request("GET", "/live"), 1_000
    last = request("GET", "/nowhere", None, {"connection": "close"})
    async with run_server(engine) as running, running.connect() as connection:
        answers = asyncio.create_task(connection.rest(seconds=60))
        connection.send(request("POST", CHAT, {"messages": HELLO}), head * count, last)
        await eventually(lambda: engine.open)
        await asyncio.sleep(0.3)
        assert engine.hold
        engine.hold.set()
        data = await answers
    assert data.count(b"HTTP/1.1 200 ") == count + 1
    assert data.count(b"HTTP/1.1 404 ") == 1
