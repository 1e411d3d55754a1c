"""The process around the application: socket, signals, shutdown order, exit code."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence

import uvicorn

from engine.processes import engine_processes, kill
from gateway.app import create_app
from gateway.config import Config
from gateway.life import EXIT_NOT_STARTED, EngineStarter, Life
from gateway.protocol import BoundedHttpProtocol

log = logging.getLogger("thinkgate")

_KEEP_ALIVE_SECONDS = 75
_CLOSING_SECONDS = 3


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: a signal means draining first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: Config, api_keys: Sequence[bytes], start_engine: EngineStarter) -> int:
    """Serve until a signal or the engine's death.

    The order: listen, answer probes, start the engine, warm up, serve; on a signal refuse new
    requests, finish the running ones, stop the engine, close the connections.

    Returns:
        The process's exit code.
    """
    server_config = config.server
    try:
        listener = _listen(server_config.host, server_config.port)
    except OSError as error:
        place = f"{server_config.host}:{server_config.port}"
        log.error("cannot listen on %s: %s", place, _reason(error))
        return EXIT_NOT_STARTED
    life = Life(config, start_engine)
    server = _Server(
        uvicorn.Config(
            create_app(config, life, api_keys),
            root_path=server_config.root_path,
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
    _handle_signals(life)
    host, port = listener.getsockname()[:2]
    log.info("listening on http://%s:%s", f"[{host}]" if ":" in host else host, port)
    async with asyncio.TaskGroup() as group:
        closer = group.create_task(_close_when_ended(server, life))
        await server.serve([listener])
        closer.cancel()
    # Else the interpreter takes what vLLM has made apart piece by piece, which takes seconds.
    gc.freeze()
    return life.exit_code


def _reason(error: OSError) -> str:
    """Without the details that asyncio's and socket's helpers put behind it."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _handle_signals(life: Life) -> None:
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def on_signal(number: int) -> None:
        seen.append(number)
        if len(seen) > 1:
            _abandon(128 + number)
        if life.admission.status in ("starting", "warming"):
            # Nobody is served yet, and the start runs in a thread that nothing can cancel.
            _abandon(0)
        log.info("%s: draining", signal.Signals(number).name)
        life.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def _abandon(code: int) -> None:
    """Leave at once, and nothing behind."""
    kill(engine_processes())
    logging.shutdown()
    os._exit(code)


async def _close_when_ended(server: uvicorn.Server, life: Life) -> None:
    await life.ended.wait()
    server.should_exit = True
