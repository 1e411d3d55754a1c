"""The composition root: a configuration becomes an application, for whatever serves ASGI.

`thinkgate serve`, the tests and other servers all get it here. What must hold under any of them
(keys, body size and time, slots, drain on lifespan's end) is in the application. What lives in
`gateway.http.protocol`, because uvicorn lacks it, holds under `thinkgate serve` alone: the bounds
on a request head's size and time, and error bodies of our shape for what is not HTTP.
"""

import asyncio
import importlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from engine import compat
from engine.demo import MODEL
from engine.protocol import EngineSetup
from engine.settings import engine_arguments
from gateway.app import create_app
from gateway.config.keys import KnownKeys, load_keys
from gateway.config.settings import DEMO, Config
from gateway.serving.lifecycle import EngineLifecycle, NotePhase, OpenEngine


class Gateway:
    """An ASGI application; its lifespan is the engine's.

    Attributes:
        lifecycle: where the engine has got to.
    """

    def __init__(self, config: Config, keys: KnownKeys, open_engine: OpenEngine) -> None:
        self.lifecycle = EngineLifecycle(config, open_engine)
        self._app = create_app(config, self.lifecycle, keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def build(
    config: Config,
    environ: Mapping[str, str] = os.environ,
    open_engine: OpenEngine | None = None,
) -> Gateway:
    """The gateway, not started yet.

    Args:
        config: what it is told.
        environ: may hold API keys.
        open_engine: configures the engine; vLLM's, if not given.

    Raises:
        ConfigError: the API keys can't be used.
    """
    keys = load_keys(config.server, environ)
    return Gateway(config, keys, open_engine or partial(_open_vllm, config))


@asynccontextmanager
async def _open_vllm(config: Config, note: NotePhase) -> AsyncIterator[EngineSetup]:
    # Importing vLLM takes seconds, and so does configuring it; probes are answered meanwhile.
    setup = await asyncio.to_thread(_set_up_vllm, config, note)
    try:
        yield setup
    finally:
        setup.close()


def _set_up_vllm(config: Config, note: NotePhase) -> Any:
    # What is generated here is nobody else's business, not even in numbers.
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    started = time.perf_counter()
    compat.check()  # before anything stumbles over what is missing
    module = importlib.import_module("engine.setup")
    imported = time.perf_counter()
    note("import", imported - started)
    model = str(MODEL) if config.model.path == DEMO else config.model.path
    arguments = engine_arguments(config.engine, model, config.model.names)
    templates = {name: Path(path).read_text() for name, path in config.templates.items()}
    setup = module.VllmSetup(arguments, templates)
    note("tokenizer", time.perf_counter() - imported)
    return setup
