"""`gateway.asgi`: one configuration, one application, whoever serves it."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.types import Message, Scope

from engine import compat
from engine.errors import EngineStartError
from gateway.asgi import build
from gateway.config.problems import ConfigError
from gateway.config.settings import Config
from tests.conftest import eventually, opening
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

MakeConfig = Callable[..., Config]


async def ask(app: object, path: str) -> int:
    """The status of a request that no server stands in front of."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
    }
    await app(scope, receive, send)  # type: ignore[operator]
    return int(sent[0]["status"])


async def test_any_asgi_server_runs_it(make_config: MakeConfig) -> None:
    """Its lifespan starts the engine and stops it; routes answer in between."""
    config = make_config("warmup.enabled=false")
    engine = FakeEngine()
    gateway = build(config, {}, lambda note: opening(engine, note))
    steps: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    lifespan = asyncio.create_task(gateway({"type": "lifespan"}, steps.get, told.put))  # type: ignore[arg-type]
    steps.put_nowait({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    await eventually(lambda: gateway.lifecycle.status == "ready")
    assert await ask(gateway, "/v1/models") == 200
    steps.put_nowait({"type": "lifespan.shutdown"})
    await lifespan
    assert gateway.lifecycle.ended.is_set()
    assert await ask(gateway, "/live") == 200
    assert await ask(gateway, "/v1/models") == 503


def test_bad_keys_are_told_before_anything_starts(make_config: MakeConfig, tmp_path: Path) -> None:
    """A key that has two names is a mistake of the configuration."""
    path = tmp_path / "keys"
    path.write_text("a:secret\nb:secret\n")
    with pytest.raises(ConfigError, match="two names"):
        build(make_config(f"server.api_keys_file={path}"), {})


async def test_a_strange_vllm_is_told_before_it_is_imported(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What this vLLM lacks is one line of the log, not the traceback of an import."""

    def fail() -> None:
        raise EngineStartError("this vLLM lacks what thinkgate stands on")

    monkeypatch.setattr(compat, "check", fail)
    monkeypatch.setitem(sys.modules, "engine.setup", None)
    lifecycle = build(make_config(), {}).lifecycle
    await lifecycle.run()
    assert lifecycle.exit_code == 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "the engine could not start: this vLLM lacks what thinkgate stands on"
    ]
