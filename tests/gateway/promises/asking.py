"""What the tests of promises ask for, and how they read what comes."""

import asyncio
import io
from typing import Any

from tests.conftest import Answer, Connection, Running, request
from tests.fakes import FakeEngine

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
MESSAGES: list[Any] = [{"role": "user", "content": "?"}]
HELLO: dict[str, Any] = {"messages": MESSAGES}
STREAM = {**HELLO, "stream": True}
OFFICIAL: dict[str, Any] = {"model": "demo", **HELLO}
"""For the official client."""
BODIES = {CHAT: HELLO, COMPLETIONS: {"prompt": "?"}}

Samples = dict[str, float]


def held(free: int = 0, **options: Any) -> FakeEngine:
    """An engine that gives `free` deltas, and nothing more until it is let go."""
    return FakeEngine(hold=asyncio.Event(), free=free, **options)


def let_go(engine: FakeEngine) -> None:
    """Have it give all the rest."""
    assert engine.hold
    engine.hold.set()


def grown(before: Samples, after: Samples) -> Samples:
    """By how much each sample of the metrics has grown, where it has."""
    growth = {name: value - before.get(name, 0) for name, value in after.items()}
    return {name: value for name, value in growth.items() if value}


async def begin(connection: Connection, path: str = CHAT, **fields: Any) -> bytes:
    """Ask for a stream and read its head."""
    connection.send(request("POST", path, {**STREAM, **fields}, {"connection": "close"}))
    return await connection.until(b"\r\n\r\n")


def payload(data: bytes) -> bytes:
    """A chunked body's content."""
    content, file = b"", io.BytesIO(data)
    while line := file.readline():
        content += file.read(int(line, 16))
        file.readline()
    return content


async def check_refused_unread(running: Running, code: str) -> None:
    """A request is refused for this reason by its head alone, while its body is still to come."""
    async with running.connect() as connection:
        connection.send(request("POST", CHAT, b"", {"content-length": "1000"}))
        refused = Answer.parse(await connection.until(b"}}"))
    assert refused.told() == (503, "service_unavailable_error", code)
