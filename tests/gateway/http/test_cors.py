"""Browsers: which pages may call, and that a refusal is JSON too."""

from typing import Any

import pytest

from tests.conftest import RunServer
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "?"}]}
ORIGIN = 'server.cors_origins=["https://good.example"]'
GOOD, BAD = {"origin": "https://good.example"}, {"origin": "https://bad.example"}
ASKING = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type",
}


async def test_a_page_that_may_call(run_server: RunServer) -> None:
    """It may ask first, without a key, and read the headers and errors that it gets."""
    async with run_server(FakeEngine(), ORIGIN, keys=("k",)) as running:
        asked = await running.ask("OPTIONS", "/hidden" + CHAT, None, GOOD | ASKING)
        refused = await running.ask("POST", CHAT, HELLO, GOOD)
        served = await running.ask("POST", CHAT, HELLO, GOOD | {"authorization": "Bearer k"})
    assert asked.status == 200
    assert (refused.status, served.status) == (401, 200)
    for answer in (asked, refused, served):
        assert answer.headers["access-control-allow-origin"] == GOOD["origin"]
    assert "x-request-id" in served.headers["access-control-expose-headers"]


async def test_a_page_that_may_not_call(run_server: RunServer) -> None:
    """It is told so in OpenAI's shape."""
    async with run_server(FakeEngine(), ORIGIN) as running:
        for wrong in (BAD | ASKING, GOOD | {"access-control-request-method": "DELETE"}):
            answer = await running.ask("OPTIONS", CHAT, None, wrong)
            assert answer.told() == (400, "invalid_request_error", None)
            assert answer.headers["x-request-id"]
        served = await running.ask("POST", CHAT, HELLO, BAD)
    assert "access-control-allow-origin" not in served.headers


async def test_nobody_is_asked_by_default(run_server: RunServer) -> None:
    """Without origins in the configuration OPTIONS is just another wrong method."""
    async with run_server(FakeEngine()) as running:
        answer = await running.ask("OPTIONS", CHAT, None, GOOD | ASKING)
        served = await running.ask("POST", CHAT, HELLO, GOOD)
    assert answer.told() == (405, "invalid_request_error", None)
    assert "access-control-allow-origin" not in served.headers
