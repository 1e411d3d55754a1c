"""Clients that vanish."""

import asyncio
import json
import random
import socket
import struct

import pytest

from tests.real.gateways import CHAT, ENDLESS, PATIENCE, QUESTION, Gateway, at_most, until
from tests.real.replies import TOKENS

pytestmark = pytest.mark.anyio

RUNNING = "vllm:num_requests_running"
CLIENTS, SEED = 200, 1


async def test_nothing_is_left_of_clients_that_vanish(gateway: Gateway) -> None:
    """200 clients go at any moment, by FIN or RST: the engine is empty at once."""
    yardstick = await asyncio.to_thread(gateway.reply_seconds)
    before = gateway.metrics()
    busy = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(_vanish(gateway.port, random.Random(f"{SEED} {number}"), busy))
        await until(lambda: sum(gateway.metrics().left().values()) > CLIENTS / 10, PATIENCE)
        busy.set()
    took = await asyncio.to_thread(gateway.wait_until_idle)
    after = gateway.metrics()
    gone = "gateway_client_disconnects_total"
    print(f"idle {took:.2f} s after the last cut, a reply takes {yardstick:.2f} s")
    assert took < at_most(2.0, yardstick)
    assert after.value(gone) - before.value(gone) > CLIENTS / 2
    with gateway.client() as client:
        answer = client.post(CHAT, json={"messages": QUESTION, "temperature": 0})
    assert answer.json()["usage"]["completion_tokens"] == TOKENS


async def _vanish(port: int, rng: random.Random, busy: asyncio.Event) -> None:
    """Go when so many bytes of a stream have come, or, without one, when the engine is busy."""
    stream = rng.random() < 0.5
    body = json.dumps({**ENDLESS, "max_tokens": 2000, "stream": stream}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    if stream and (size := rng.randrange(5000)) > 500:
        await reader.readexactly(size)
    else:
        await writer.drain()
    if not stream:
        await busy.wait()
    if rng.random() < 0.5:
        linger = struct.pack("ii", 1, 0)  # closing then sends RST
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    else:
        writer.close()


@pytest.mark.parametrize("body", [{"n": 4}, {"n": 4, "stream": True}, {"stop": "xyz"}])
async def test_every_choice_goes_with_its_client(gateway: Gateway, body: dict[str, object]) -> None:
    """With several choices, or stop strings, the whole request goes within a second."""
    yardstick = gateway.reply_seconds()
    content = json.dumps({**ENDLESS, "max_tokens": 2000, **body}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        await until(lambda: gateway.metrics().left()[RUNNING], PATIENCE)
    assert await asyncio.to_thread(gateway.wait_until_idle) < at_most(1.0, yardstick)
