"""The engine's death under load."""

import asyncio
import time

import httpx2
import pytest

from tests.real.gateways import CHAT, ENDLESS, Gateway, Stream, until, wait_gone

pytestmark = pytest.mark.anyio

STREAMS, WHOLE = 32, 4


async def test_a_killed_engine_is_told_to_everybody(killed: Gateway) -> None:
    """Open requests hear of it within two seconds, the process ends in 70 within ten, all gone."""
    family = killed.family()
    streams = [Stream() for _ in range(STREAMS)]
    limits = httpx2.Limits(max_connections=None)
    async with (
        httpx2.AsyncClient(base_url=killed.url, timeout=60, limits=limits) as client,
        asyncio.TaskGroup() as group,
    ):
        for stream in streams:
            group.create_task(stream.run(client, ENDLESS))
        whole = [group.create_task(client.post(CHAT, json=ENDLESS)) for _ in range(WHOLE)]
        await until(lambda: all(len(stream.events) > 2 for stream in streams), 60)
        killed.engine_core().kill()
        died = time.monotonic()
        said = await _until_closed(client)
        closed = time.monotonic() - died
    told = max(stream.ended for stream in streams) - died
    assert told < 2
    for stream in streams:
        assert stream.status == 200
        assert not stream.done
        assert stream.errors == ["engine_dead"]
    for answer in (each.result() for each in whole):
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "engine_dead"
        assert answer.headers["retry-after"]
    assert said[-1] == 503
    assert killed.process.wait(max(0, died + 10 - time.monotonic())) == 70
    exited = time.monotonic() - died
    wait_gone(family, 10 - exited)
    gone = time.monotonic() - died
    print(f"told {told:.2f} s, closed {closed:.2f} s, exit {exited:.2f} s, all gone {gone:.2f} s")


async def _until_closed(client: httpx2.AsyncClient) -> list[int]:
    """What `/ready` says until nobody answers any more."""
    said = []
    async with asyncio.timeout(10):
        while True:
            try:
                said.append((await client.get("/ready")).status_code)
            except httpx2.TransportError:
                return said
            await asyncio.sleep(0.005)
