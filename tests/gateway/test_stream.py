"""Streams on the wire: frames, pings, and errors after the headers."""

import asyncio
import io
import json
from typing import Any

import openai
import pytest

from engine.errors import BadGeneration, EngineBusy, EngineDead, EngineFailure
from tests.conftest import Connection, Running, RunServer, request
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO: list[Any] = [{"role": "user", "content": "?"}]
STREAM = {"messages": HELLO, "stream": True}
PING = b": ping\n\n"
FAST = "server.ping_seconds=0.05"


async def begin(connection: Connection, path: str = CHAT) -> bytes:
    """Ask for a stream and read its head."""
    connection.send(request("POST", path, STREAM, {"connection": "close"}))
    return await connection.until(b"\r\n\r\n")


def payload(data: bytes) -> bytes:
    """A chunked body's content."""
    content, file = b"", io.BytesIO(data)
    while line := file.readline():
        content += file.read(int(line, 16))
        file.readline()
    return content


async def test_every_event_is_one_line_of_json(run_server: RunServer) -> None:
    """A stream is `data:` lines with JSON, apart by an empty line, and `[DONE]` at the end."""
    engine = FakeEngine(reply="<think>a\nb</think>c\n\nd\u2028e\r\n\x00\U0001f600 'x' \"y\" \\")
    async with run_server(engine) as running:
        answer = await running.ask("POST", CHAT, STREAM)
    *events, done, nothing = answer.body.split(b"\n\n")
    assert (done, nothing) == (b"data: [DONE]", b"")
    deltas = []
    for event in events:
        assert event.startswith(b"data: ")
        assert b"\n" not in event
        deltas.append(json.loads(event[6:])["choices"][0]["delta"])
    text = "".join(delta.get("content", "") for delta in deltas)
    assert text == "c\n\nd\u2028e\r\n\x00\U0001f600 'x' \"y\" \\"


async def test_headers_come_before_the_first_token(run_server: RunServer) -> None:
    """A stream's headers go out once the engine has accepted, not once it has answered."""
    engine = FakeEngine(hold=asyncio.Event())
    async with run_server(engine) as running, running.connect() as connection:
        assert (await begin(connection)).startswith(b"HTTP/1.1 200 ")
        assert engine.hold
        engine.hold.set()
        assert b"[DONE]" in await connection.rest()


async def test_silence_is_broken_by_pings(run_server: RunServer) -> None:
    """While nothing is generated a comment goes out every `ping_seconds`, and nothing else."""
    engine = FakeEngine(hold=asyncio.Event())
    async with run_server(engine, FAST) as running, running.connect() as connection:
        await begin(connection)
        started = asyncio.get_running_loop().time()
        for _ in range(4):
            assert (await connection.until(PING)).split() == [b"8", b":", b"ping"]
        assert 0.19 < asyncio.get_running_loop().time() - started < 0.6
        assert engine.hold
        engine.hold.set()
        assert b"[DONE]" in await connection.rest()


async def test_hidden_thinking_is_silence(run_server: RunServer) -> None:
    """While hidden thinking goes on pings go out, and nothing but pings."""
    reply = "<think>" + "XSECRETX" * 20 + "</think>Yes."
    engine = FakeEngine(reply=reply, pause=0.003)
    async with run_server(engine, FAST) as running, running.connect() as connection:
        await begin(connection, "/hidden" + CHAT)
        body = payload(await connection.rest())
    role, *events = body.split(b"\n\n")
    assert b'"role"' in role
    first_answer = next(i for i, event in enumerate(events) if b'"content":"Y"' in event)
    assert first_answer >= 5
    assert events[:first_answer] == [b": ping"] * first_answer
    assert b"SECRET" not in body


async def test_no_ping_while_deltas_flow(run_server: RunServer) -> None:
    """A ping is for silence: a stream that takes many times `ping_seconds` has none."""
    engine = FakeEngine(reply="x" * 60, pause=0.005)
    async with run_server(engine, "server.ping_seconds=0.15") as running:
        answer = await running.ask("POST", CHAT, STREAM)
    assert b": ping" not in answer.body
    assert answer.body.count(b"data: ") > 60


async def test_the_official_client_skips_pings(run_server: RunServer) -> None:
    """Pings are comments: a client sees the deltas alone."""
    engine = FakeEngine(reply="<think>a</think>b", pause=0.03)
    async with run_server(engine, "server.ping_seconds=0.01") as running:
        async with running.openai() as client:
            stream = await client.chat.completions.create(model="demo", messages=HELLO, stream=True)
            text = [chunk.choices[0].delta.content async for chunk in stream]
    assert "".join(part or "" for part in text) == "b"


FAILURES = [
    (EngineDead("dead"), 503, "service_unavailable_error", "engine_dead"),
    (EngineFailure("the engine failed"), 500, "server_error", "internal_error"),
    (RuntimeError("a bug in /srv/secret.py"), 500, "server_error", "internal_error"),
]


@pytest.mark.parametrize(("failure", "status", "kind", "code"), FAILURES)
@pytest.mark.parametrize("after", [0, 20])
async def test_a_failure_after_acceptance(
    run_server: RunServer, failure: Exception, status: int, kind: str, code: str, after: int
) -> None:
    """A stream ends with one error event and no `[DONE]`; the official client raises."""
    engine = FakeEngine(fails_after=after, failure=failure)
    async with run_server(engine) as running:
        answer = await running.ask("POST", CHAT, STREAM)
        async with running.openai() as client:
            stream = await client.chat.completions.create(model="demo", messages=HELLO, stream=True)
            with pytest.raises(openai.APIError) as caught:
                async for _ in stream:
                    pass
    assert answer.status == 200
    *events, last, nothing = answer.body.split(b"\n\n")
    assert nothing == b""
    assert last.startswith(b'data: {"error":')
    error = json.loads(last[6:])["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == (kind, code)
    assert b"secret" not in answer.body
    assert not any(b"error" in event or b"DONE" in event for event in events)
    assert (caught.value.type, caught.value.code) == (kind, code)


@pytest.mark.parametrize(("failure", "status", "kind", "code"), FAILURES)
async def test_a_whole_response_fails_with_a_status(
    run_server: RunServer, failure: Exception, status: int, kind: str, code: str
) -> None:
    """Where nothing was sent yet a failure is an HTTP status."""
    engine = FakeEngine(fails_after=0, failure=failure)
    async with run_server(engine) as running:
        answer = await running.ask("POST", CHAT, {"messages": HELLO})
    assert answer.told() == (status, kind, code)
    assert answer.headers["x-request-id"]
    assert b"secret" not in answer.body
    assert answer.headers["retry-after"] if status == 503 else True


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (BadGeneration("no", "top_k"), (400, "invalid_request_error", None)),
        (EngineBusy("full"), (503, "service_unavailable_error", "server_is_overloaded")),
        (EngineDead("dead"), (503, "service_unavailable_error", "engine_dead")),
        (EngineFailure("no"), (500, "server_error", "internal_error")),
        (RuntimeError("bug"), (500, "server_error", "internal_error")),
    ],
)
async def test_what_the_engine_refuses_is_a_status(
    run_server: RunServer, refusal: Exception, told: tuple[int, str, str | None]
) -> None:
    """What is known before acceptance is an HTTP status, on streams too: never 200 and an error."""
    async with run_server(FakeEngine(refuses=refusal)) as running:
        for stream in (False, True):
            answer = await running.ask("POST", CHAT, {"messages": HELLO, "stream": stream})
            assert answer.told() == told


async def test_one_stream_fails_and_another_goes_on(run_server: RunServer) -> None:
    """A failure is one request's: its neighbour on the same server finishes."""
    engine = FakeEngine(pause=0.001)
    async with run_server(engine) as running:

        async def one(running: Running) -> bytes:
            return (await running.ask("POST", CHAT, STREAM)).body

        neighbour = asyncio.create_task(one(running))
        await asyncio.sleep(0.02)
        engine.refuses = EngineFailure("no")
        assert (await running.ask("POST", CHAT, STREAM)).status == 500
        assert b"[DONE]" in await neighbour


async def test_a_slow_reader_gets_everything(run_server: RunServer) -> None:
    """A client that reads late misses nothing, and holds up nobody else."""
    engine = FakeEngine(reply="z" * 6_000_000, cuts=(8192,))
    async with run_server(engine, "server.ping_seconds=0.02") as running:
        async with running.connect() as connection:
            await begin(connection)
            await asyncio.sleep(0.3)
            engine.reply = "short"
            assert (await running.ask("POST", CHAT, {"messages": HELLO})).status == 200
            assert len(engine.open) == 1
            body = payload(await connection.rest())
    assert body.count(b"z") == 6_000_000
    assert body.endswith(b"data: [DONE]\n\n")
