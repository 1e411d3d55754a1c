"""What tests of several packages share."""

import asyncio
import http.client
import io
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import openai
import pytest
import uvicorn
from hypothesis import HealthCheck, settings

from gateway.asgi import build
from gateway.config.load import load
from gateway.config.settings import Config
from gateway.config.sources import Options
from gateway.http.protocol import BoundedHttpProtocol
from gateway.serving.lifecycle import EngineLifecycle, NotePhase
from tests.fakes import FakeEngine

RunServer = Callable[..., AbstractAsyncContextManager["Running"]]

_PATIENCE = 5.0

# How hypothesis searches: the same examples every time, or many new ones.
# `HYPOTHESIS_PROFILE=explore make test ARGS=tests/parsers` looks for what nobody has seen yet; what
# it finds becomes a case of its own. A busy machine is no bug, so there is no deadline.
settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "explore", settings.get_profile("tests"), derandomize=False, max_examples=20_000
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))


@dataclass
class Answer:
    """One HTTP response, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @classmethod
    def parse(cls, data: bytes, method: str = "GET") -> "Answer":
        """The first response in `data`."""
        assert data, "the connection was closed without a word"
        response = http.client.HTTPResponse(_Bytes(data), method=method)  # type: ignore[arg-type]
        response.begin()
        return cls(response.status, response.headers, response.read())

    def json(self) -> Any:
        """The body, which must say that it is JSON."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    def error(self) -> dict[str, str | None]:
        """The body's error, which must have OpenAI's shape."""
        content = self.json()
        assert set(content) == {"error"}
        error: dict[str, str | None] = content["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        return error

    def told(self) -> tuple[int, str | None, str | None]:
        """The status, and the error's type and code."""
        error = self.error()
        return self.status, error["type"], error["code"]


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def makefile(self, mode: str) -> io.BytesIO:
        return self._file


class Connection:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(b"".join(data))

    async def until(self, mark: bytes) -> bytes:
        """What comes, up to `mark`."""
        async with asyncio.timeout(_PATIENCE):
            return await self.reader.readuntil(mark)

    async def rest(self, seconds: float = _PATIENCE) -> bytes:
        """What comes until the server closes the connection, which must be within `seconds`."""
        async with asyncio.timeout(seconds):
            return await self.reader.read()

    def reset(self) -> None:
        """Be gone without a good-bye: RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    def finish(self) -> None:
        """Be gone politely: FIN."""
        self.writer.close()


class Running:
    """A gateway that serves on a real socket."""

    def __init__(self, port: int, lifecycle: EngineLifecycle) -> None:
        self.port = port
        self.lifecycle = lifecycle
        self.url = f"http://127.0.0.1:{port}"

    def openai(self, base: str = "/v1", **options: Any) -> openai.AsyncOpenAI:
        """The official client; to be used with `async with`."""
        options = {"api_key": "x", "max_retries": 0, "timeout": _PATIENCE, **options}
        return openai.AsyncOpenAI(base_url=self.url + base, **options)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A raw connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read the whole response."""
        async with self.connect() as connection:
            connection.send(request(method, path, body, {"connection": "close", **(headers or {})}))
            return Answer.parse(await connection.rest(), method)

    async def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics`, by name and labels as they are written."""
        text = (await self.ask("GET", "/metrics")).body.decode()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def request(
    method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """A request's bytes; a `body` that is not bytes is sent as JSON."""
    fields = {"host": "test"}
    content = b""
    if body is not None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields |= {"content-type": "application/json", "content-length": str(len(content))}
    fields |= headers or {}
    head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + content


async def eventually(true: Callable[[], object], seconds: float = _PATIENCE) -> None:
    """Wait until `true()`, which must be within `seconds`."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - nothing announces what is waited for
            await asyncio.sleep(0.005)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop of every asynchronous test is the gateway's own."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def make_config(tmp_path: object) -> Callable[..., Config]:
    """Make a configuration from `--set` arguments, with nothing else around."""

    def make(*sets: str) -> Config:
        return load(Options(sets=sets), {}, tmp_path).config  # type: ignore[arg-type]

    return make


@asynccontextmanager
async def opening(engine: FakeEngine, note: NotePhase) -> AsyncIterator[FakeEngine]:
    """Configure a fake engine as the real one is."""
    note("import", 0.25)
    yield engine


class _Server(uvicorn.Server):
    """uvicorn without the clocks that it looks at to see whether it should exit."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.over = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.over.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if not self.server_state.connections:
            for server in self.servers:
                server.close()
            await self.lifespan.shutdown()
        else:  # with its tenth of a second for them
            await super().shutdown(sockets)


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """A background job's shell has SIGINT ignored, and so would have all that tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def run_server(make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch) -> RunServer:
    """Serve a fake engine over HTTP: `async with run_server(engine, *sets, keys=()) as running`."""
    monkeypatch.setattr("gateway.serving.lifecycle._WATCH_SECONDS", 0.01)

    @asynccontextmanager
    async def run(
        engine: FakeEngine, *sets: str, keys: tuple[str, ...] = (), wait: bool = True
    ) -> AsyncIterator[Running]:
        config = make_config("warmup.enabled=false", *sets)
        environ = {config.server.api_keys_env: ",".join(keys)}
        gateway = build(config, environ, lambda note: opening(engine, note))
        lifecycle = gateway.lifecycle
        server = _Server(
            uvicorn.Config(
                gateway,
                http=BoundedHttpProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                root_path=config.server.root_path,
                timeout_graceful_shutdown=1,
            )
        )
        listener = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server._serve([listener]))
        try:
            while wait and lifecycle.status != "ready":
                assert not lifecycle.ended.is_set(), "the engine did not start"
                await asyncio.sleep(0.005)
            yield Running(listener.getsockname()[1], lifecycle)
        finally:
            server.over.set()
            with suppress(asyncio.CancelledError):
                await serving
        assert not engine.open

    return run
