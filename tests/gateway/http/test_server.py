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
from gateway.asgi import Gateway, build
from gateway.config.settings import Config
from gateway.http.server import serve
from gateway.serving.lifecycle import NotePhase
from tests.conftest import Answer, eventually, opening, request
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

MakeConfig = Callable[..., Config]
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "?"}]}
QUICK = ("server.port=0", "warmup.enabled=false")


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exit codes with which the process would have ended on the spot."""
    found: list[int] = []
    monkeypatch.setattr("gateway.http.server._abandon", found.append)
    return found


def gateway_of(config: Config, engine: FakeEngine) -> Gateway:
    return build(config, {}, lambda note: opening(engine, note))


async def served(gateway: Gateway, config: Config) -> asyncio.Task[int]:
    """Serve until the engine is ready; the task has the exit code."""
    serving = asyncio.create_task(serve(gateway, config.server))
    await eventually(lambda: gateway.lifecycle.status == "ready", 10)
    return serving


async def exit_code(serving: asyncio.Task[int]) -> int:
    async with asyncio.timeout(10):
        return await serving


async def test_a_port_in_use_is_said_in_one_line(
    make_config: MakeConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """Exit code 1 before anything is started."""
    engine = FakeEngine()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = make_config(f"server.port={port}")
        gateway = gateway_of(config, engine)
        assert await serve(gateway, config.server) == 1
    assert caplog.messages == [f"cannot listen on 127.0.0.1:{port}: Address already in use"]
    assert gateway.lifecycle.status == "starting"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(
    make_config: MakeConfig, caplog: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    """Exit code 0."""
    caplog.set_level(logging.INFO, "thinkgate")
    config = make_config(*QUICK)
    serving = await served(gateway_of(config, FakeEngine()), config)
    os.kill(os.getpid(), number)
    assert await exit_code(serving) == 0
    assert f"{number.name}: draining" in caplog.messages


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_second_signal_ends_it_at_once(
    make_config: MakeConfig, codes: list[int], number: signal.Signals, code: int
) -> None:
    """Whoever asks twice does not want to wait for the drain; shells know the code."""
    config = make_config(*QUICK)
    serving = await served(gateway_of(config, FakeEngine()), config)
    os.kill(os.getpid(), number)
    os.kill(os.getpid(), number)
    await eventually(lambda: codes == [code])
    await exit_code(serving)


async def test_a_signal_before_anybody_is_served(make_config: MakeConfig, codes: list[int]) -> None:
    """Nothing is waited for: a warmup may take minutes, and its results serve nobody."""
    engine = FakeEngine(hold=asyncio.Event())
    config = make_config("server.port=0")
    serving = asyncio.create_task(serve(gateway_of(config, engine), config.server))
    await eventually(lambda: engine.requests)
    os.kill(os.getpid(), signal.SIGTERM)
    await eventually(lambda: codes == [0])
    assert engine.hold
    engine.hold.set()
    await exit_code(serving)


async def test_the_engines_death_ends_it(make_config: MakeConfig) -> None:
    """Exit code 70."""
    engine = FakeEngine()
    config = make_config(*QUICK)
    serving = await served(gateway_of(config, engine), config)
    engine.die()
    assert await exit_code(serving) == 70


async def test_a_start_that_fails_ends_it(make_config: MakeConfig) -> None:
    """Exit code 1."""
    engine = FakeEngine(start_failure=EngineStartError("no such model"))
    config = make_config("server.port=0")
    gateway = gateway_of(config, engine)
    assert await exit_code(asyncio.create_task(serve(gateway, config.server))) == 1


async def test_death_stays_death_when_the_shutdown_fails(make_config: MakeConfig) -> None:
    """Exit code 70, though what has died can't be stopped in good order."""
    engine = FakeEngine()

    @asynccontextmanager
    async def stubborn(note: NotePhase) -> AsyncIterator[FakeEngine]:
        yield engine
        raise RuntimeError("nobody there")

    config = make_config(*QUICK)
    serving = await served(build(config, {}, stubborn), config)
    engine.die()
    assert await exit_code(serving) == 70


async def test_a_request_that_nothing_wakes_is_told_too(
    make_config: MakeConfig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even what hangs before the engine has it ends with our error, not with uvicorn's."""
    monkeypatch.setattr("gateway.serving.lifecycle._LAST_WORDS_SECONDS", 0.1)
    monkeypatch.setattr("gateway.http.server._CLOSING_SECONDS", 0.1)
    caplog.set_level(logging.INFO, "thinkgate")
    engine = FakeEngine(render=asyncio.Event())
    config = make_config(*QUICK, "server.drain_seconds=0.1")
    gateway = gateway_of(config, engine)
    assert engine.render
    engine.render.set()  # for what is found out about the model
    serving = await served(gateway, config)
    engine.render.clear()
    port = int(next(line for line in caplog.messages if "listening" in line).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("POST", "/v1/chat/completions", HELLO))
    await eventually(lambda: gateway.lifecycle.admission.running)
    os.kill(os.getpid(), signal.SIGTERM)
    answer = Answer.parse(await reader.read())
    writer.close()
    assert answer.told() == (503, "service_unavailable_error", "server_draining")
    assert await exit_code(serving) == 0
