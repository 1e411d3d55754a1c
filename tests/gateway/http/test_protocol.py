"""What the application does not see: broken, huge and slow HTTP."""

import asyncio
from typing import Any

import pytest

from gateway import metrics
from tests.conftest import Answer, RunServer, eventually, request
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO: list[Any] = [{"role": "user", "content": "?"}]
MODELS = request("GET", "/v1/models")
CHUNKED = {"content-type": "application/json", "transfer-encoding": "chunked"}


GARBAGE = [
    b"garbage\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    b"FROB / HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
]
BAD_CHUNKS = [b"zz\r\n", b"5\r\n{}", b"ffffffffffffffffff\r\n", b"-1\r\n", b"2\r\n{}X\r\n"]
HUGE_HEADS = [
    b"GET /v1/models HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
    b"GET /v1/models HTTP/1.1\r\n" + b"a: b\r\n" * 1_000_000,
    b"GET /v1/models HTTP/1.1\r\na: " + b"b" * 70_000,
    b"GET /v1/models HTTP/1.1\r\na: " + b"b" * 66_000 + b"\r\n\r\n",
    b"GET /" + b"x" * 70_000,
    b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
]


@pytest.mark.parametrize("before", [b"", MODELS])
async def test_garbage(run_server: RunServer, before: bytes) -> None:
    """What is not HTTP is a 400 in OpenAI's shape, and the end of the connection."""
    async with run_server(FakeEngine()) as running:
        for garbage in GARBAGE:
            async with running.connect() as connection:
                if before:
                    connection.send(before)
                    await connection.until(b"}]}")
                connection.send(garbage)
                answer = Answer.parse(await connection.rest())
            assert answer.told() == (400, "invalid_request_error", None), garbage
            assert answer.headers["connection"] == "close", garbage
            assert answer.headers["x-request-id"].startswith("req-"), garbage
        assert (await running.ask("GET", "/live")).status == 200


async def test_bad_chunks(run_server: RunServer) -> None:
    """A body whose framing breaks is a 400 in OpenAI's shape, not a silent close."""
    in_flight = metrics.IN_FLIGHT.labels(CHAT)._value
    async with run_server(FakeEngine()) as running:
        for chunk in BAD_CHUNKS:
            async with running.connect() as connection:
                connection.send(request("POST", CHAT, None, CHUNKED), b"2\r\n{ \r\n")
                await eventually(lambda: in_flight.get() == 1)
                connection.send(chunk, b"XXXXXXXX\r\nXX")
                answer = Answer.parse(await connection.rest())
            assert answer.told() == (400, "invalid_request_error", None), chunk
            await eventually(lambda: in_flight.get() == 0)


async def test_huge_heads(run_server: RunServer) -> None:
    """A head above 64 KiB is a 431, whether it ever ends or not, and costs others no time."""
    async with run_server(FakeEngine()) as running:
        for head in HUGE_HEADS:
            async with running.connect() as connection:
                connection.send(head)
                answer = Answer.parse(await connection.rest())
            assert answer.told() == (431, "invalid_request_error", None), head[:40]


async def test_large_heads_pass(run_server: RunServer) -> None:
    """A head of 60 KiB is none too big, again and again, nor does a body count as one."""
    async with run_server(FakeEngine()) as running, running.connect() as connection:
        for _ in range(3):
            connection.send(request("GET", "/v1/models", None, {"a": "b" * 60_000}))
            assert (await connection.until(b"}]}")).startswith(b"HTTP/1.1 200 ")
        body = {"messages": HELLO, "user": "x" * 200_000}
        connection.send(request("POST", CHAT, body))
        assert (await connection.until(b"}}}")).startswith(b"HTTP/1.1 200 ")


async def test_slow_heads(run_server: RunServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that dawdles is a 408, on a fresh connection and behind an answer."""
    monkeypatch.setattr("gateway.http.protocol.HEAD_SECONDS", 0.15)
    async with run_server(FakeEngine()) as running:
        for before in (b"", MODELS):
            async with running.connect() as connection:
                if before:
                    connection.send(before)
                    await connection.until(b"}]}")
                for byte in b"GET ":
                    connection.send(bytes([byte]))
                    await asyncio.sleep(0.01)
                answer = Answer.parse(await connection.rest())
                assert answer.told() == (408, "invalid_request_error", None)


async def test_silent_connections(run_server: RunServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which nothing ever comes is closed without a word."""
    monkeypatch.setattr("gateway.http.protocol.HEAD_SECONDS", 0.1)
    async with run_server(FakeEngine()) as running, running.connect() as connection:
        assert await connection.rest() == b""


async def test_slow_answers_are_no_slow_heads(
    run_server: RunServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head's time does not run while a body comes or an answer is made."""
    monkeypatch.setattr("gateway.http.protocol.HEAD_SECONDS", 0.1)
    engine = FakeEngine(reply="ok", pause=0.2)
    async with run_server(engine) as running, running.connect() as connection:
        data = request("POST", CHAT, {"messages": HELLO})
        connection.send(data[:-3])
        await asyncio.sleep(0.2)
        connection.send(data[-3:])
        assert b'"ok"' in await connection.until(b"}}}")


@pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
@pytest.mark.parametrize("cut", [1, 40, 10_000])
async def test_upgrades_are_declined(run_server: RunServer, upgrade: str, cut: int) -> None:
    """A client that offers another protocol (Java's always does) is served all the same."""
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": upgrade, "http2-settings": "AA"}
    whole = request("POST", CHAT, {"messages": HELLO}, offer)
    body = b'{"messages": [{"role": "user", "content": "?"}]}'
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    async with run_server(FakeEngine()) as running, running.connect() as connection:
        for data in (whole, request("POST", CHAT, None, CHUNKED | offer) + chunks, whole):
            for at in range(0, len(data), cut):
                connection.send(data[at : at + cut])
                await asyncio.sleep(0)
            assert (await connection.until(b"}}}")).startswith(b"HTTP/1.1 200 ")
        connection.send(request("GET", "/v1/models", None, offer))
        assert (await connection.until(b"}]}")).startswith(b"HTTP/1.1 200 ")


async def test_an_offer_leaves_no_clock_running(
    run_server: RunServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a head with an offer nothing is due, so a slow answer comes whole."""
    monkeypatch.setattr("gateway.http.protocol.HEAD_SECONDS", 0.1)
    engine = FakeEngine(reply="ok", pause=0.2)
    offer = {"connection": "Upgrade", "upgrade": "h2c"}
    async with run_server(engine) as running, running.connect() as connection:
        connection.send(request("POST", CHAT, {"messages": HELLO}, offer))
        assert b'"ok"' in await connection.until(b"}}}")


async def test_trailers_are_no_headers(run_server: RunServer) -> None:
    """What trails a body came too late to be a key, and past every proxy that looks at headers."""
    body = b'{"messages": [{"role": "user", "content": "?"}]}'
    chunks = b"%x\r\n%b\r\n0\r\nauthorization: Bearer k\r\n\r\n" % (len(body), body)
    async with run_server(FakeEngine(), keys=("k",)) as running:
        for headers, status in (({}, b"401"), ({"authorization": "Bearer k"}, b"200")):
            async with running.connect() as connection:
                connection.send(request("POST", CHAT, None, CHUNKED | headers) + chunks)
                assert (await connection.until(b"\r\n")).startswith(b"HTTP/1.1 " + status)


async def test_old_http(run_server: RunServer) -> None:
    """HTTP/1.0 is answered, and the connection closed behind it."""
    async with run_server(FakeEngine()) as running, running.connect() as connection:
        connection.send(MODELS.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert Answer.parse(await connection.rest()).status == 200


async def test_expecting_to_continue(run_server: RunServer) -> None:
    """A client that asks first is told to go on, or why not."""
    data = request("POST", CHAT, {"messages": HELLO}, {"expect": "100-continue"})
    head, _, body = data.partition(b"\r\n\r\n")
    async with run_server(FakeEngine(), keys=("k",)) as running:
        async with running.connect() as connection:
            connection.send(head, b"\r\nauthorization: Bearer k\r\n\r\n")
            await connection.until(b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.send(body)
            assert (await connection.until(b"}}}")).startswith(b"HTTP/1.1 200 ")
        async with running.connect() as connection:
            connection.send(head, b"\r\n\r\n")
            assert (await connection.until(b"\r\n")).startswith(b"HTTP/1.1 401 ")
