"""Clients that vanish."""

import asyncio
import json
import random
import socket
import struct
import time

import pytest

from tests.real.gateways import CHAT, ENDLESS, QUESTION, Gateway, until
from tests.real.replies import TOKENS

pytestmark = pytest.mark.anyio

RUNNING = "vllm:num_requests_running"
CLIENTS, SPREAD, SEED = 200, 3.0, 1


async def test_nothing_is_left_of_clients_that_vanish(gateway: Gateway) -> None:
    """200 clients go at random moments, by FIN or RST: two seconds later the engine is empty."""
    before = gateway.metrics()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(_vanish(gateway.port, random.Random(f"{SEED} {number}")))
        await asyncio.sleep(SPREAD / 2)
        busy = (await asyncio.to_thread(gateway.metrics)).left()
    cut = time.monotonic()
    took = await asyncio.to_thread(gateway.wait_until_idle, 2.0)
    after = gateway.metrics()
    gone = "gateway_client_disconnects_total"
    print(f"idle {took:.2f} s after the last cut; in the middle {busy}")
    assert sum(busy.values()) > CLIENTS / 10
    assert after.value(gone) - before.value(gone) > CLIENTS / 2
    with gateway.client() as client:
        answer = client.post(CHAT, json={"messages": QUESTION, "temperature": 0})
    assert answer.status_code == 200
    assert answer.json()["usage"]["completion_tokens"] == TOKENS
    print(f"a good reply {time.monotonic() - cut:.2f} s after the last cut")


async def _vanish(port: int, rng: random.Random) -> None:
    body = json.dumps({**ENDLESS, "max_tokens": 2000, "stream": rng.random() < 0.5}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    left = SPREAD * rng.random()
    reading = asyncio.create_task(reader.read(-1))
    await asyncio.wait({reading}, timeout=left)
    reading.cancel()
    if rng.random() < 0.5:
        linger = struct.pack("ii", 1, 0)  # closing then sends RST
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    else:
        writer.close()


@pytest.mark.parametrize("body", [{"n": 4}, {"n": 4, "stream": True}, {"stop": "xyz"}])
async def test_every_choice_goes_with_its_client(gateway: Gateway, body: dict[str, object]) -> None:
    """With several choices, or stop strings, the whole request goes within a second."""
    content = json.dumps({**ENDLESS, "max_tokens": 2000, **body}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        await until(lambda: gateway.metrics().left()[RUNNING], 10)
    await asyncio.to_thread(gateway.wait_until_idle, 1.0)
