"""Signals while requests run."""

import asyncio
import signal
import time

import httpx2
import pytest

from tests.real.gateways import (
    CHAT,
    ENDLESS,
    PATIENCE,
    QUESTION,
    Gateway,
    Stream,
    at_most,
    until,
    wait_gone,
)

pytestmark = pytest.mark.anyio

DRAIN = 8.0


async def started(*streams: Stream) -> None:
    """Wait until each stream has brought something of the model's."""
    await until(lambda: all(len(stream.events) > 2 for stream in streams), PATIENCE)


async def unready(client: httpx2.AsyncClient) -> httpx2.Response:
    """What `/ready` says once it does not say 200 any more."""
    while (ready := await client.get("/ready")).status_code == 200:  # noqa: ASYNC110 - a process
        await asyncio.sleep(0.01)
    return ready


async def tokens_in(seconds: float, stream: Stream) -> int:
    """How many tokens a stream that is running brings in `seconds`, judging by the next 50."""
    seen, begun = len(stream.events), time.monotonic()
    await until(lambda: len(stream.events) > seen + 50, PATIENCE)
    return round(seconds * 50 / (time.monotonic() - begun))


async def test_sigterm_lets_running_requests_finish(drained: Gateway) -> None:
    """What ends in time ends whole, what does not gets one error, nothing new starts; exit 0."""
    family = drained.family()
    yardstick = await asyncio.to_thread(drained.reply_seconds)
    short, endless = [Stream() for _ in range(4)], [Stream() for _ in range(4)]
    async with (
        httpx2.AsyncClient(base_url=drained.url, timeout=60) as client,
        asyncio.TaskGroup() as group,
    ):
        for stream in endless:
            group.create_task(stream.run(client, ENDLESS))
        await started(*endless)
        # As long as a part of the drain, whatever this machine makes of that.
        tokens = await tokens_in(DRAIN / 4, endless[0])
        brief = {**ENDLESS, "max_tokens": tokens}
        for stream in short:
            group.create_task(stream.run(client, brief))
        whole = [group.create_task(client.post(CHAT, json=brief)) for _ in range(2)]
        await started(*short)
        drained.process.terminate()
        begun = time.monotonic()
        assert not any(stream.ended for stream in short)
        ready = await unready(client)
        refused = await client.post(CHAT, json={"messages": QUESTION})
        live = await client.get("/live")
    assert ready.json()["status"] == "draining"
    assert live.status_code == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_draining")
    assert refused.headers["retry-after"]
    for stream in short:
        assert stream.done
        assert not stream.errors
    for answer in (each.result() for each in whole):
        assert answer.status_code == 200
        assert answer.json()["usage"]["completion_tokens"] == tokens
    for stream in endless:
        assert not stream.done
        assert stream.errors == ["server_draining"]
        assert DRAIN - 0.5 < stream.ended - begun < DRAIN + at_most(2, yardstick)
    assert drained.process.wait(PATIENCE) == 0
    exited = time.monotonic() - begun
    assert exited < DRAIN + at_most(5, yardstick)
    wait_gone(family, PATIENCE)
    print(f"short {max(s.ended for s in short) - begun:.2f} s, cut", end=" ")
    print(f"{max(s.ended for s in endless) - begun:.2f} s, exit {exited:.2f} s")


async def test_the_second_sigint_does_not_wait(interrupted: Gateway) -> None:
    """The first SIGINT drains; the second ends the process in 130 at once, and its children."""
    family = interrupted.family()
    yardstick = await asyncio.to_thread(interrupted.reply_seconds)
    stream = Stream()
    async with httpx2.AsyncClient(base_url=interrupted.url, timeout=60) as client:
        reading = asyncio.create_task(stream.run(client, ENDLESS))
        await started(stream)
        interrupted.process.send_signal(signal.SIGINT)
        assert (await unready(client)).json()["status"] == "draining"
        seen = len(stream.events)
        await until(lambda: len(stream.events) > seen + 20, PATIENCE)
        interrupted.process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert interrupted.process.wait(PATIENCE) == 130
        assert time.monotonic() - begun < at_most(2, yardstick)
        with pytest.raises(httpx2.TransportError):
            await reading
    wait_gone(family, PATIENCE)
    print(f"exit 130, all gone after {time.monotonic() - begun:.2f} s")
