"""What is no body of a request: too big, too slow, not JSON."""

import asyncio
import json

import openai
import pytest

from tests.conftest import Answer, RunServer, request
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import BODIES, CHAT

pytestmark = pytest.mark.anyio


async def test_bodies_too_big(run_server: RunServer) -> None:
    """413 by what is declared and by what arrives; the connection can be used again."""
    big = json.dumps({"messages": [{"role": "user", "content": "x" * 5000}]}).encode()
    headers = {"content-type": "application/json", "transfer-encoding": "chunked"}
    async with run_server(FakeEngine(), "server.max_body_bytes=4096") as running:
        for path in (*BODIES, "/hidden" + CHAT):
            declared = await running.ask("POST", path, big)
            assert declared.told() == (413, "invalid_request_error", None)
            async with running.connect() as connection:
                connection.send(request("POST", path, None, headers))
                connection.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(big), big))
                answer = Answer.parse(await connection.until(b"}}"))
                assert answer.told() == (413, "invalid_request_error", None)
                connection.send(request("GET", "/v1/models"))
                assert (await connection.until(b"\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_endless_bodies_come_to_an_end(
    run_server: RunServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of a refused body is read for a while, so that the answer arrives."""
    monkeypatch.setattr("gateway.http.protocol.HEAD_SECONDS", 0.3)
    async with run_server(FakeEngine()) as running, running.connect() as connection:
        connection.send(request("POST", CHAT, b"", {"content-length": "9" * 15}))
        assert Answer.parse(await connection.until(b"}}")).status == 413
        async with asyncio.timeout(5):
            while not connection.writer.transport.is_closing():
                connection.send(b"x" * 1000)
                await asyncio.sleep(0.01)


async def test_the_official_client_sees_413(run_server: RunServer) -> None:
    """A client that sends megabytes beyond the limit still gets to read why."""
    async with run_server(FakeEngine(), "server.max_body_bytes=4096") as running:
        async with running.openai() as client:
            with pytest.raises(openai.APIStatusError) as caught:
                await client.completions.create(model="demo", prompt="x" * 20_000_000)
    assert caught.value.status_code == 413


@pytest.mark.parametrize("path", BODIES)
async def test_bodies_that_are_not_json(run_server: RunServer, path: str) -> None:
    """415 for what is not declared as plain JSON, 400 for what is not."""
    good = json.dumps(BODIES[path]).encode()
    async with run_server(FakeEngine()) as running:
        for headers in (
            {"content-type": "text/plain"},
            {"content-type": ""},
            {"content-type": "multipart/form-data; boundary=x"},
            {"content-type": "application/jsonx"},
            {"content-encoding": "gzip"},
        ):
            answer = await running.ask("POST", path, good, headers)
            assert answer.told() == (415, "invalid_request_error", None)
        for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"{}{}", b"[" * 100_000):
            answer = await running.ask("POST", path, body)
            assert answer.told() == (400, "invalid_request_error", None), body[:10]
        for kind in ("application/json; charset=utf-8", "Application/JSON", "application/x+json"):
            answer = await running.ask("POST", path, good, {"content-type": kind})
            assert answer.status == 200
