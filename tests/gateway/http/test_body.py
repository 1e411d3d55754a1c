"""A request's body: bounded in size and time, and JSON."""

import asyncio
import json
import tracemalloc

import pytest

from gateway import metrics
from gateway.http.body import BodyLimit, read_json
from gateway.http.errors import ApiError
from tests.conftest import Answer, RunServer, eventually, request
from tests.fakes import FakeEngine
from tests.gateway.http.asgi import CHAT, Echo, call

pytestmark = pytest.mark.anyio

JSON = {"type": "http", "headers": [(b"content-type", b"application/json")]}


@pytest.mark.parametrize(
    ("declared", "enters"),
    [
        *((b"0", True), (b"8", True), (b"-9", True), (b"x", True), (b"", True)),
        *((b"9", False), (b"9" * 30, False), (b"9" * 5000, False)),
    ],
)
async def test_a_body_that_is_declared_too_big(declared, enters):
    """Is refused unread; a length that is no number is left to the server and to counting."""
    echo = Echo()
    headers = [(b"content-length", declared)]
    status, _, body = await call(BodyLimit(echo, 8), headers=headers)

    assert (status, len(echo.scopes)) == ((200, 1) if enters else (413, 0))
    if not enters:
        assert json.loads(body)["error"]["type"] == "invalid_request_error"
        assert b"8 bytes" in body


@pytest.mark.parametrize("size", [1, 3, 8, 9])
@pytest.mark.parametrize("total", [0, 8, 9, 100])
async def test_a_body_that_turns_out_too_big(total, size):
    """However it is cut and whatever it declares, what arrives is counted."""
    body = [bytes(total)[at : at + size] for at in range(0, total, size)]
    echo = Echo()
    app, headers = BodyLimit(echo, 8), [(b"content-length", b"1")]
    if total <= 8:
        assert (await call(app, headers=headers, body=body or [b""]))[2] == bytes(total)
        return
    with pytest.raises(ApiError) as caught:
        await call(app, headers=headers, body=body)
    assert caught.value.status == 413
    assert not echo.bodies


async def test_a_body_is_put_together():
    """However it is cut, with empty parts too."""
    parts = [b"", b"{", b"", b"}", b""]
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.request"}

    assert await read_json(JSON, receive) == b"{}"


async def test_a_body_that_comes_in_tiny_parts():
    """It takes the memory of its bytes, not of its parts."""
    count = 100_000

    async def receive():
        nonlocal count
        count -= 1
        return {"type": "http.request", "body": b"%02d" % (count % 100), "more_body": count > 0}

    tracemalloc.start()
    try:
        body = await read_json(JSON, receive)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) == 200_000
    assert peak < 3 * len(body)


async def test_a_client_that_leaves():
    """What came so far is not taken for the whole body."""
    messages = [
        {"type": "http.request", "body": b"{}", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive():
        return messages.pop(0)

    with pytest.raises(ApiError) as caught:
        await read_json(JSON, receive)
    assert (caught.value.status, caught.value.headers) == (400, {"Connection": "close"})


@pytest.mark.parametrize("part", [b"", b" "])
async def test_a_body_that_trickles(monkeypatch, part):
    """The deadline is the whole body's: parts that keep coming do not move it."""
    monkeypatch.setattr("gateway.http.body._BODY_SECONDS", 0.05)

    async def receive():
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": part, "more_body": True}

    with pytest.raises(ApiError) as caught:
        await read_json(JSON, receive)
    assert (caught.value.status, caught.value.headers) == (408, {"Connection": "close"})


@pytest.mark.parametrize("trickle", [False, True])
async def test_slow_bodies(
    run_server: RunServer, monkeypatch: pytest.MonkeyPatch, trickle: bool
) -> None:
    """A body that dawdles, silent or byte by byte, is a 408 that leaves nothing behind."""
    monkeypatch.setattr("gateway.http.body._BODY_SECONDS", 0.2)
    async with run_server(FakeEngine()) as running, running.connect() as connection:
        connection.send(request("POST", CHAT, b"", {"content-length": "100000"}))
        answer = asyncio.create_task(connection.until(b"}}"))
        while trickle and not answer.done():
            connection.send(b" ")
            await asyncio.sleep(0.005)
        assert Answer.parse(await answer).told() == (408, "invalid_request_error", None)
        assert running.lifecycle.admission.running == 0
        await eventually(lambda: metrics.IN_FLIGHT.labels(CHAT)._value.get() == 0)
