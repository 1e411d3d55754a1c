"""Streams on the wire: frames, pings, and readers that are slow."""

import asyncio
import json
from typing import Any

import pytest

from gateway.http.protocol import BoundedHttpProtocol
from tests.conftest import RunServer, eventually
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import (
    CHAT,
    HELLO,
    OFFICIAL,
    STREAM,
    begin,
    held,
    let_go,
    payload,
)

pytestmark = pytest.mark.anyio

THOUGHT, ANSWER = "\nLet me see.\n", "It is 42."
PING = b": ping\n\n"
FAST = "server.ping_seconds=0.05"


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


@pytest.mark.parametrize("cuts", [(1,), (9, 1, 17, 2), (100,)])
async def test_a_stream_brings_thinking_then_answer(
    run_server: RunServer, cuts: tuple[int, ...]
) -> None:
    """However the model's text is cut: the role, the thinking, the answer, the end."""
    async with run_server(FakeEngine(cuts=cuts)) as running, running.openai() as client:
        stream = await client.chat.completions.create(**OFFICIAL, stream=True)
        chunks = [chunk async for chunk in stream]
    deltas: list[Any] = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert "".join(getattr(delta, "reasoning", "") for delta in deltas) == THOUGHT
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == THOUGHT
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    kinds = ["t" if hasattr(delta, "reasoning") else "a" for delta in deltas if delta.role is None]
    assert "".join(kinds) == "".join(sorted(kinds, reverse=True))
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + [
        "stop"
    ]
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert chunks[0].object == "chat.completion.chunk"
    assert all(chunk.usage is None for chunk in chunks)


async def test_headers_come_before_the_first_token(run_server: RunServer) -> None:
    """A stream's headers go out once the engine has accepted, not once it has answered."""
    engine = held()
    async with run_server(engine) as running, running.connect() as connection:
        assert (await begin(connection)).startswith(b"HTTP/1.1 200 ")
        let_go(engine)
        assert b"[DONE]" in await connection.rest()


async def test_silence_is_broken_by_pings(run_server: RunServer) -> None:
    """While nothing is generated a comment goes out, no oftener than said, and nothing else."""
    engine = held()
    async with run_server(engine, FAST) as running, running.connect() as connection:
        clock = asyncio.get_running_loop().time
        started = clock()
        await begin(connection)
        for _ in range(4):
            assert (await connection.until(PING)).split() == [b"8", b":", b"ping"]
        assert clock() - started > 0.19
        let_go(engine)
        assert b"[DONE]" in await connection.rest()


async def test_hidden_thinking_is_silence(run_server: RunServer) -> None:
    """While hidden thinking goes on pings go out, and nothing but pings."""
    reply = "<think>" + "XSECRETX" * 1000 + "</think>Yes."
    engine = FakeEngine(reply=reply, pause=0.002)
    async with run_server(engine, FAST) as running, running.connect() as connection:
        await begin(connection, "/hidden" + CHAT)
        assert b'"role"' in await connection.until(b"\n\n")
        taken = 0
        for _ in range(3):
            assert (await connection.until(PING)).split()[-2:] == [b":", b"ping"]
            assert engine.taken.total() > taken  # the engine was not silent
            taken = engine.taken.total()
        engine.pause = 0
        body = await connection.rest()
    pings, _, answer = payload(body.removeprefix(b"\r\n")).partition(b"data: ")
    assert not pings.replace(PING, b"")
    assert json.loads(answer.split(b"\n\n")[0])["choices"][0]["delta"] == {"content": "Y"}
    assert b"SECRET" not in body


async def test_the_official_client_skips_pings(run_server: RunServer) -> None:
    """Pings are comments: a client sees the deltas alone."""
    engine = FakeEngine(reply="<think>a</think>b", pause=0.03)
    async with run_server(engine, "server.ping_seconds=0.01") as running:
        async with running.openai() as client:
            stream = await client.chat.completions.create(**OFFICIAL, stream=True)
            text = [chunk.choices[0].delta.content async for chunk in stream]
    assert "".join(part or "" for part in text) == "b"


@pytest.mark.parametrize("prompts", [1, 8])
async def test_a_slow_reader_gets_everything(
    run_server: RunServer, connections: list[BoundedHttpProtocol], prompts: int
) -> None:
    """A client that reads late misses nothing, holds up nobody else, and has nothing piled up."""
    size = 8_000_000 // prompts
    engine = FakeEngine(reply="z" * size, cuts=(8192,), max_model_len=10**8)
    body = {"prompt": ["?"] * prompts, "max_tokens": size}
    async with run_server(engine, FAST) as running, running.connect() as connection:
        await begin(connection, "/v1/completions", **body)
        (server,) = connections
        await eventually(lambda: server.flow.write_paused)
        (request,) = engine.open
        engine.reply = "short"
        assert (await running.ask("POST", CHAT, HELLO)).status == 200
        assert engine.open == {request}
        assert engine.taken[request] < prompts * size // 8192  # the rest is not asked for
        sent = payload(await connection.rest())
    assert sent.count(b"z") == prompts * size
    assert sent.endswith(b"data: [DONE]\n\n")
