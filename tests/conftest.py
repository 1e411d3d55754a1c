"""What tests of several packages share."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest
import uvicorn

from gateway.app import create_app
from gateway.config import Config, Options, load
from gateway.life import Life
from gateway.protocol import BoundedHttpProtocol
from tests.fakes import FakeEngine

RunServer = Callable[..., AbstractAsyncContextManager["Running"]]


class Running:
    """A gateway that serves on a real socket."""

    def __init__(self, port: int, life: Life) -> None:
        self.port = port
        self.life = life
        self.url = f"http://127.0.0.1:{port}"


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of every asynchronous test."""
    return "asyncio"


@pytest.fixture
def make_config(tmp_path: object) -> Callable[..., Config]:
    """Make a configuration from `--set` arguments, with nothing else around."""

    def make(*sets: str) -> Config:
        return load(Options(sets=sets), {}, tmp_path).config  # type: ignore[arg-type]

    return make


@asynccontextmanager
async def _no_start(engine: FakeEngine) -> AsyncIterator[FakeEngine]:
    async with engine:
        yield engine


@pytest.fixture
def run_server(make_config: Callable[..., Config]) -> RunServer:
    """Serve a fake engine over HTTP: `async with run_server(engine, *sets, keys=()) as running`."""

    @asynccontextmanager
    async def run(
        engine: FakeEngine, *sets: str, keys: tuple[str, ...] = (), wait: bool = True
    ) -> AsyncIterator[Running]:
        config = make_config("warmup.enabled=false", *sets)
        life = Life(config, lambda seconds: _no_start(engine))
        digests = [hashlib.sha256(key.encode()).digest() for key in keys]
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(config, life, digests),
                http=BoundedHttpProtocol,
                ws="none",
                log_config=None,
                root_path=config.server.root_path,
                timeout_graceful_shutdown=1,
            )
        )
        listener = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server._serve([listener]))
        try:
            while wait and life.admission.status != "ready":
                await asyncio.sleep(0.005)
            yield Running(listener.getsockname()[1], life)
        finally:
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await serving
        assert not engine.open

    return run
