"""The process around the application, with a fake engine."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.errors import EngineStartError
from gateway.config import Config
from gateway.server import serve
from tests.conftest import Answer, eventually, request, starting
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

MakeConfig = Callable[..., Config]
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "?"}]}


async def test_a_port_in_use_is_said_in_one_line(
    make_config: MakeConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """Exit code 1 before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = make_config(f"server.port={port}")
        assert await serve(config, (), lambda seconds: starting(FakeEngine(), seconds)) == 1
    assert caplog.messages == [f"cannot listen on 127.0.0.1:{port}: Address already in use"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(
    make_config: MakeConfig, caplog: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    """Exit code 0."""
    caplog.set_level(logging.INFO, "thinkgate")
    config = make_config("server.port=0", "warmup.enabled=false")
    serving = asyncio.create_task(
        serve(config, (), lambda seconds: starting(FakeEngine(), seconds))
    )
    await eventually(lambda: any("ready after" in line for line in caplog.messages), 10)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(10):
        assert await serving == 0
    assert f"{number.name}: draining" in caplog.messages


async def test_a_signal_before_anybody_is_served(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is waited for: a warmup may take minutes, and its results serve nobody."""
    codes: list[int] = []
    monkeypatch.setattr("gateway.server._abandon", codes.append)
    engine = FakeEngine(hold=asyncio.Event())
    config = make_config("server.port=0")
    serving = asyncio.create_task(serve(config, (), lambda seconds: starting(engine, seconds)))
    await eventually(lambda: engine.generations)
    os.kill(os.getpid(), signal.SIGTERM)
    await eventually(lambda: codes == [0])
    assert engine.hold
    engine.hold.set()
    async with asyncio.timeout(10):
        await serving


async def test_the_engines_death_ends_it(make_config: MakeConfig) -> None:
    """Exit code 70."""
    engine = FakeEngine()
    config = make_config("server.port=0", "warmup.enabled=false")
    serving = asyncio.create_task(serve(config, (), lambda seconds: starting(engine, seconds)))
    await asyncio.sleep(0.3)
    engine.die()
    async with asyncio.timeout(10):
        assert await serving == 70


async def test_a_start_that_fails_ends_it(make_config: MakeConfig) -> None:
    """Exit code 1."""
    engine = FakeEngine(start_failure=EngineStartError("no such model"))
    config = make_config("server.port=0")
    async with asyncio.timeout(5):
        assert await serve(config, (), lambda seconds: starting(engine, seconds)) == 1


async def test_death_stays_death_when_the_shutdown_fails(make_config: MakeConfig) -> None:
    """Exit code 70, though what has died can't be stopped in good order."""
    engine = FakeEngine()

    @asynccontextmanager
    async def stubborn(seconds: dict[str, float]) -> AsyncIterator[FakeEngine]:
        yield engine
        raise RuntimeError("nobody there")

    config = make_config("server.port=0", "warmup.enabled=false")
    serving = asyncio.create_task(serve(config, (), stubborn))
    await asyncio.sleep(0.3)
    engine.die()
    async with asyncio.timeout(10):
        assert await serving == 70


async def test_a_request_that_nothing_wakes_is_told_too(
    make_config: MakeConfig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even what hangs before the engine has it ends with our error, not with uvicorn's."""
    monkeypatch.setattr("gateway.life._LAST_WORDS_SECONDS", 0.1)
    monkeypatch.setattr("gateway.server._CLOSING_SECONDS", 0.1)
    caplog.set_level(logging.INFO, "thinkgate")
    engine = FakeEngine()
    sets = ("server.port=0", "warmup.enabled=false", "server.drain_seconds=0.1")
    serving = asyncio.create_task(
        serve(make_config(*sets), (), lambda seconds: starting(engine, seconds))
    )
    await eventually(lambda: any("ready after" in line for line in caplog.messages), 10)
    engine.render = asyncio.Event()
    port = int(next(line for line in caplog.messages if "listening" in line).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("POST", "/v1/chat/completions", HELLO))
    await asyncio.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    answer = Answer.parse(await reader.read())
    writer.close()
    assert answer.told() == (503, "service_unavailable_error", "server_draining")
    assert await serving == 0
