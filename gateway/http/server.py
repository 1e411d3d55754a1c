"""The process around the application: socket, signals, shutdown order, exit code."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Iterator
from typing import Protocol

import uvicorn
from starlette.types import Receive, Scope, Send

from engine.processes import engine_processes, kill
from gateway.config.settings import ServerConfig
from gateway.http.protocol import BoundedHttpProtocol

log = logging.getLogger("thinkgate")

_KEEP_ALIVE_SECONDS = 75
_CLOSING_SECONDS = 3
_EXIT_NOT_STARTED = 1


class Lifecycle(Protocol):
    """What the process knows of the engine's life, which the application's lifespan runs."""

    @property
    def status(self) -> str: ...

    @property
    def ended(self) -> asyncio.Event: ...

    @property
    def exit_code(self) -> int: ...

    def stop(self) -> None: ...


class Gateway(Protocol):
    """The application that is served."""

    @property
    def lifecycle(self) -> Lifecycle: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: a signal means draining first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(gateway: Gateway, config: ServerConfig) -> int:
    """Serve until a signal or the engine's death.

    The order: listen, answer probes, start the engine, warm up, serve; on a signal refuse new
    requests, finish the running ones, stop the engine, close the connections.

    Returns:
        The process's exit code.
    """
    try:
        listener = _listen(config.host, config.port)
    except OSError as error:
        log.error("cannot listen on %s:%s: %s", config.host, config.port, _reason(error))
        return _EXIT_NOT_STARTED
    server = _Server(
        uvicorn.Config(
            gateway,
            root_path=config.root_path,
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_CLOSING_SECONDS,
        )
    )
    lifecycle = gateway.lifecycle
    _handle_signals(lifecycle)
    host, port = listener.getsockname()[:2]
    log.info("listening on http://%s:%s", f"[{host}]" if ":" in host else host, port)
    async with asyncio.TaskGroup() as group:
        closer = group.create_task(_close_when_ended(server, lifecycle))
        await server.serve([listener])
        closer.cancel()
    # Else the interpreter takes what vLLM has made apart piece by piece, which takes seconds.
    gc.freeze()
    return lifecycle.exit_code


def _reason(error: OSError) -> str:
    """Without the details that asyncio's and socket's helpers put behind it."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _handle_signals(lifecycle: Lifecycle) -> None:
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def on_signal(number: int) -> None:
        seen.append(number)
        if len(seen) > 1:
            _abandon(128 + number)
        if lifecycle.status in ("starting", "warming"):
            # Nobody is served yet, and the start runs in a thread that nothing can cancel.
            _abandon(0)
        log.info("%s: draining", signal.Signals(number).name)
        lifecycle.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def _abandon(code: int) -> None:
    """Leave at once, and nothing behind."""
    kill(engine_processes())
    logging.shutdown()
    os._exit(code)


async def _close_when_ended(server: uvicorn.Server, lifecycle: Lifecycle) -> None:
    await lifecycle.ended.wait()
    server.should_exit = True
