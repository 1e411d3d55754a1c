"""A client that is gone, at any moment and in either manner: its work in the engine ends."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from gateway.http.protocol import BoundedHttpProtocol
from tests.conftest import Connection, Running, RunServer, eventually, request
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import CHAT, HELLO, STREAM, Samples, grown, held

MANNERS: dict[str, Callable[[Connection], None]] = {
    "RST": Connection.reset,
    "FIN": Connection.finish,
}
DISCONNECTS = "gateway_client_disconnects_total"
ABORTS = "gateway_engine_aborts_total"
DURATION = 'gateway_request_duration_seconds_count{model="demo"}'
Ends = list[BoundedHttpProtocol]

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("manner", MANNERS)]


async def check_gone(
    running: Running, engine: FakeEngine, before: Samples, choices: int = 1
) -> None:
    """Nothing is left of one request, and it is in the books as what it was, once."""
    await eventually(lambda: not engine.open and not running.lifecycle.admission.running)
    growth = grown(before, await running.metrics())
    assert (growth[DISCONNECTS], growth[DURATION]) == (1, 1)
    aborts = {name: count for name, count in growth.items() if name.startswith(ABORTS)}
    assert aborts == {ABORTS + '{reason="client_disconnected"}': choices}
    assert not engine.ended


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prefix", ["", "/hidden"])
async def test_gone_during_prefill(
    run_server: RunServer, manner: str, stream: bool, prefix: str
) -> None:
    """Before the first token."""
    engine = held()
    async with run_server(engine) as running:
        before = await running.metrics()
        async with running.connect() as connection:
            connection.send(request("POST", prefix + CHAT, {**HELLO, "stream": stream}))
            await eventually(lambda: engine.open)
            MANNERS[manner](connection)
            await check_gone(running, engine, before)


@pytest.mark.parametrize("prefix", ["", "/hidden", "/raw"])
async def test_gone_in_mid_stream(run_server: RunServer, manner: str, prefix: str) -> None:
    """While the stream is silent, in the middle of thinking that is shown or hidden."""
    engine = held(free=12)
    async with run_server(engine) as running:
        before = await running.metrics()
        async with running.connect() as connection:
            connection.send(request("POST", prefix + CHAT, STREAM))
            await connection.until(b'"role"')
            MANNERS[manner](connection)
            await check_gone(running, engine, before)


async def test_gone_while_deltas_flow(run_server: RunServer, manner: str) -> None:
    """While the engine writes as fast as it can."""
    engine = FakeEngine(reply="x" * 1_000_000)
    async with run_server(engine) as running:
        before = await running.metrics()
        async with running.connect() as connection:
            connection.send(request("POST", CHAT, STREAM))
            await connection.until(b'"content":"x"')
            MANNERS[manner](connection)
            await check_gone(running, engine, before)


async def test_gone_while_it_does_not_read(
    run_server: RunServer, connections: Ends, manner: str
) -> None:
    """While the server waits for a reader that has stopped to read."""
    engine = FakeEngine(reply="x" * 20_000_000, cuts=(65536,))
    async with run_server(engine) as running:
        before = await running.metrics()
        async with running.connect() as connection:
            connection.send(request("POST", CHAT, STREAM))
            await connection.until(b"\r\n\r\n")
            await eventually(lambda: connections[-1].flow.write_paused)
            assert engine.open
            MANNERS[manner](connection)
            await check_gone(running, engine, before)


@pytest.mark.parametrize("stream", [False, True])
async def test_gone_with_many_choices(run_server: RunServer, manner: str, stream: bool) -> None:
    """With several prompts at once: all of them end."""
    engine = held(free=3 if stream else 0)
    body = {"prompt": ["a", "b", "c"], "n": 2, "max_tokens": 50, "stream": stream}
    async with run_server(engine) as running:
        before = await running.metrics()
        async with running.connect() as connection:
            connection.send(request("POST", "/v1/completions", body))
            await eventually(lambda: engine.taken.total() == (18 if stream else 0) and engine.open)
            MANNERS[manner](connection)
            await check_gone(running, engine, before, choices=6)


async def test_gone_while_the_prompt_is_rendered(
    run_server: RunServer, connections: Ends, manner: str
) -> None:
    """Before the engine even has it: nothing stays behind, and no slot is lost."""
    engine = held()
    async with run_server(engine) as running:
        engine.render = asyncio.Event()
        async with running.connect() as connection:
            connection.send(request("POST", CHAT, HELLO))
            await eventually(lambda: running.lifecycle.admission.running == 1)
            MANNERS[manner](connection)
            await eventually(lambda: connections[0].cycle.disconnected)
            engine.render.set()
            await eventually(lambda: not engine.open and not running.lifecycle.admission.running)


async def test_gone_behind_a_pipelined_request(
    run_server: RunServer, connections: Ends, manner: str
) -> None:
    """With another request sent before the first was answered."""
    engine = held()
    async with run_server(engine) as running, running.connect() as connection:
        connection.send(request("POST", CHAT, HELLO))
        await eventually(lambda: engine.open)
        connection.send(request("GET", "/v1/models"))
        await eventually(lambda: connections[0].pipeline)
        MANNERS[manner](connection)
        await eventually(lambda: not engine.open and not running.lifecycle.admission.running)


async def test_many_gone_at_once(run_server: RunServer, manner: str) -> None:
    """Two hundred at a time, some streamed: not one stays in the engine."""
    engine = held()
    async with run_server(engine) as running, AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(running.connect()) for _ in range(200)]
        for number, connection in enumerate(connections):
            body = {**HELLO, "stream": bool(number % 2)}
            connection.send(request("POST", CHAT, body))
        await eventually(lambda: len(engine.open) == 200, 5)
        for connection in connections:
            MANNERS[manner](connection)
        await eventually(lambda: not engine.open and not running.lifecycle.admission.running)


async def test_a_finished_request_is_not_gone(run_server: RunServer, manner: str) -> None:
    """Hanging up after the last byte is no disconnect."""
    async with run_server(FakeEngine()) as running:
        before = await running.metrics()
        for stream in (False, True):
            async with running.connect() as connection:
                body = {**HELLO, "stream": stream}
                connection.send(request("POST", CHAT, body))
                await connection.until(b"[DONE]\n\n\r\n0\r\n\r\n" if stream else b"}}}")
                MANNERS[manner](connection)
        await eventually(lambda: not running.lifecycle.admission.running)
        assert (await running.metrics())[DISCONNECTS] == before[DISCONNECTS]
