"""The engine's death under load."""

import asyncio
import time

import httpx2
import pytest

from tests.real.gateways import (
    CHAT,
    ENDLESS,
    PATIENCE,
    Gateway,
    Stream,
    at_most,
    until,
    wait_gone,
)

pytestmark = pytest.mark.anyio

STREAMS, WHOLE = 32, 4


async def test_a_killed_engine_is_told_to_everybody(killed: Gateway) -> None:
    """Open requests hear of it within two seconds, the process ends in 70 within ten, all gone."""
    family = killed.family()
    yardstick = await asyncio.to_thread(killed.reply_seconds)
    streams = [Stream() for _ in range(STREAMS)]
    limits = httpx2.Limits(max_connections=None)
    async with (
        httpx2.AsyncClient(base_url=killed.url, timeout=PATIENCE, limits=limits) as client,
        asyncio.TaskGroup() as group,
    ):
        for stream in streams:
            group.create_task(stream.run(client, ENDLESS))
        whole = [group.create_task(client.post(CHAT, json=ENDLESS)) for _ in range(WHOLE)]
        await until(lambda: all(len(stream.events) > 2 for stream in streams), PATIENCE)
        killed.engine_core().kill()
        died = time.monotonic()
        said = await _until_closed(client)
        closed = time.monotonic() - died
    told = max(stream.ended for stream in streams) - died
    assert told < at_most(2, yardstick)
    for stream in streams:
        assert stream.status == 200
        assert not stream.done
        assert stream.errors == ["engine_dead"]
    for answer in (each.result() for each in whole):
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "engine_dead"
        assert answer.headers["retry-after"]
    assert said[-1] == 503
    assert killed.process.wait(PATIENCE) == 70
    exited = time.monotonic() - died
    wait_gone(family, PATIENCE)
    gone = time.monotonic() - died
    assert gone < at_most(10, yardstick)
    print(f"told {told:.2f} s, closed {closed:.2f} s, exit {exited:.2f} s, all gone {gone:.2f} s")


async def _until_closed(client: httpx2.AsyncClient) -> list[int]:
    """What `/ready` says until nobody answers any more."""
    said = []
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                said.append((await client.get("/ready")).status_code)
            except httpx2.TransportError:
                return said
            await asyncio.sleep(0.005)
