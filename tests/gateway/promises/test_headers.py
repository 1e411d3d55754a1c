"""What a response's headers say."""

import re
from typing import Any

import pytest

from tests.conftest import RunServer
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
HELLO: list[Any] = [{"role": "user", "content": "?"}]
BODIES = {CHAT: {"messages": HELLO}, COMPLETIONS: {"prompt": "?"}}


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_the_request_id_is_the_bodys_id(run_server: RunServer, path: str) -> None:
    """`x-request-id` equals `id`, whole or streamed, and every request has another."""
    kind = "chatcmpl" if path == CHAT else "cmpl"
    seen = set()
    async with run_server(FakeEngine()) as running:
        for stream in (False, True):
            answer = await running.ask("POST", path, {**BODIES[path], "stream": stream})
            name = answer.headers["x-request-id"]
            assert re.fullmatch(kind + r"-[0-9a-f]{32}", name)
            assert set(re.findall(rb'"id":"(.*?)"', answer.body)) == {name.encode()}
            seen.add(name)
    assert len(seen) == 2


async def test_the_clients_own_id_comes_back(run_server: RunServer) -> None:
    """A decent `X-Request-Id` is echoed; the body's id and the engine's stay ours."""
    engine = FakeEngine()
    async with run_server(engine) as running, running.openai() as client:
        for name in ("a", "trace_1.2-3", "x" * 64, "a"):
            raw = await client.chat.completions.with_raw_response.create(
                model="demo", messages=HELLO, extra_headers={"X-Request-Id": name}
            )
            assert raw.headers["x-request-id"] == name
            assert raw.parse().id.startswith("chatcmpl-")
    assert len({generation.request_id for generation in engine.requests}) == 4


async def test_a_bad_id_is_ignored(run_server: RunServer) -> None:
    """An `X-Request-Id` that could break a header or a log line is replaced by ours."""
    async with run_server(FakeEngine()) as running:
        for name in ("", "x" * 65, "a b", "ü", 'a"b', "a/b", "a\tb", "{}"):
            answer = await running.ask("POST", CHAT, BODIES[CHAT], {"X-Request-Id": name})
            assert answer.headers["x-request-id"] == answer.json()["id"]


async def test_errors_have_an_id_too(run_server: RunServer) -> None:
    """Whatever is answered can be found in the log."""
    async with run_server(FakeEngine()) as running:
        for path in ("/nowhere", CHAT, "/v1/models", "/live", "/ready"):
            answer = await running.ask("GET", path)
            assert answer.headers["x-request-id"].startswith(("req-", "chatcmpl-"))


async def test_only_whole_responses_tell_their_time(run_server: RunServer) -> None:
    """`openai-processing-ms` is a number on whole responses, errors too, and not on streams."""
    async with run_server(FakeEngine(pause=0.001)) as running:
        whole = await running.ask("POST", CHAT, BODIES[CHAT])
        wrong = await running.ask("POST", CHAT, {})
        stream = await running.ask("POST", CHAT, {**BODIES[CHAT], "stream": True})
    assert whole.headers["openai-processing-ms"].isdigit()
    assert wrong.headers["openai-processing-ms"].isdigit()
    assert "openai-processing-ms" not in stream.headers


async def test_streams_are_not_cached_or_buffered(run_server: RunServer) -> None:
    """A stream's headers keep proxies from holding it back, and contradict nothing."""
    async with run_server(FakeEngine()) as running:
        answer = await running.ask("POST", CHAT, {**BODIES[CHAT], "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers.get_all("cache-control") == ["no-cache"]
    assert answer.headers.get_all("x-accel-buffering") == ["no"]
    assert answer.headers.get_all("connection") == ["close"]  # as the client asked


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_resolved_is_told(run_server: RunServer, stream: bool) -> None:
    """`X-Thinkgate-Reasoning` says what came of all the wishes."""
    told = {
        "": "visibility=parsed; thinking=default",
        "/hidden/think": "visibility=hidden; thinking=on",
        "/nothink/raw": "visibility=raw; thinking=off",
    }
    async with run_server(FakeEngine()) as running:
        for prefix, expected in told.items():
            body = {**BODIES[CHAT], "stream": stream}
            answer = await running.ask("POST", prefix + CHAT, body)
            assert answer.headers["x-thinkgate-reasoning"] == expected
            assert "x-thinkgate-warning" not in answer.headers


@pytest.mark.parametrize("stream", [False, True])
async def test_a_switch_that_does_nothing_is_told(run_server: RunServer, stream: bool) -> None:
    """`X-Thinkgate-Warning` names the switch that the model can't obey."""
    async with run_server(FakeEngine(template="plain")) as running:
        body = {**BODIES[CHAT], "stream": stream}
        on = await running.ask("POST", "/think" + CHAT, body)
        off = await running.ask("POST", "/nothink" + CHAT, body)
        default = await running.ask("POST", CHAT, body)
    assert on.headers["x-thinkgate-warning"].startswith("thinking=on: ")
    assert off.headers["x-thinkgate-warning"].startswith("thinking=off: ")
    assert "x-thinkgate-warning" not in default.headers
