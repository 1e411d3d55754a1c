"""The process around the application, with a fake engine."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable

import pytest

from gateway.config import Config
from gateway.server import serve
from tests.conftest import eventually, starting
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

MakeConfig = Callable[..., Config]


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


async def test_the_engines_death_ends_it(make_config: MakeConfig) -> None:
    """Exit code 70."""
    engine = FakeEngine()
    config = make_config("server.port=0", "warmup.enabled=false")
    serving = asyncio.create_task(serve(config, (), lambda seconds: starting(engine, seconds)))
    await asyncio.sleep(0.3)
    engine.die()
    async with asyncio.timeout(10):
        assert await serving == 70
