"""What is wrong is told in OpenAI's shape: as a status, or as a stream's last event."""

import asyncio
import json
from typing import Any

import openai
import pytest

from engine.errors import BadGeneration, EngineBusy, EngineDead, EngineFailure
from tests.conftest import RunServer, eventually
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import (
    BODIES,
    CHAT,
    COMPLETIONS,
    HELLO,
    MESSAGES,
    OFFICIAL,
    STREAM,
    held,
    let_go,
)

pytestmark = pytest.mark.anyio

BAD_VALUES: list[tuple[str, dict[str, Any], str | None]] = [
    (CHAT, {"messages": []}, "messages"),
    (CHAT, {"messages": None}, "messages"),
    (CHAT, {"messages": [{"role": "king", "content": "?"}]}, "messages[0].role"),
    (CHAT, {"messages": [*MESSAGES, {"role": "user", "content": 1}]}, "messages[1].content"),
    (CHAT, {"temperature": 3}, "temperature"),
    (CHAT, {"temperature": "1"}, "temperature"),
    (CHAT, {"top_p": 0}, "top_p"),
    (CHAT, {"n": 0}, "n"),
    (CHAT, {"n": 17}, "n"),
    (CHAT, {"seed": 2**64}, "seed"),
    (CHAT, {"max_tokens": 0}, "max_tokens"),
    (CHAT, {"max_completion_tokens": 5000}, None),
    (CHAT, {"max_tokens": 5000}, "max_tokens"),
    (CHAT, {"stop": ""}, "stop"),
    (CHAT, {"stream": "yes"}, "stream"),
    (CHAT, {"stream": False, "stream_options": {}}, "stream_options"),
    (CHAT, {"logit_bias": {"x": 1}}, "logit_bias"),
    (CHAT, {"reasoning_effort": "much"}, "reasoning_effort"),
    (CHAT, {"chat_template": "none"}, "chat_template"),
    (COMPLETIONS, {"prompt": None}, "prompt"),
    (COMPLETIONS, {"max_tokens": 4097}, "max_tokens"),
    (COMPLETIONS, {"top_k": 2**40}, "top_k"),
    (COMPLETIONS, {"prompt": [-(2**70)]}, None),
]


async def test_the_field_is_named(run_server: RunServer) -> None:
    """A bad value is a 400 that names the field, streamed or not, and stays with us."""
    engine = FakeEngine()
    async with run_server(engine) as running:
        for path, fields, param in BAD_VALUES:
            for stream in ({}, {"stream": True}):
                answer = await running.ask("POST", path, {**BODIES[path], **stream, **fields})
                assert answer.told() == (400, "invalid_request_error", None), fields
                assert param in (None, answer.error()["param"])
    assert not engine.requests


async def test_unknown_fields(run_server: RunServer) -> None:
    """They are ignored, unless `[limits] strict` is set."""
    body = {**HELLO, "temprature": 1}
    async with run_server(FakeEngine()) as running:
        assert (await running.ask("POST", CHAT, body)).status == 200
    async with run_server(FakeEngine(), "limits.strict=true") as running:
        answer = await running.ask("POST", CHAT, body)
    assert (answer.status, answer.error()["param"]) == (400, "temprature")


async def test_unknown_models_are_404(run_server: RunServer) -> None:
    """A model that is not served, or a suffix that is no word, is `model_not_found`."""
    async with run_server(FakeEngine(), 'model.names=["demo","alias"]') as running:
        for model in ("gpt-4o", "", "demo:", "demo:shown", "demo:hidden:x", "Demo"):
            for path in BODIES:
                answer = await running.ask("POST", path, {**BODIES[path], "model": model})
                if model:
                    assert answer.told() == (404, "invalid_request_error", "model_not_found")
        for model in ("demo", "alias", "alias:raw", None):
            answer = await running.ask("POST", CHAT, {**HELLO, "model": model})
            assert answer.json()["model"] == "demo"


async def test_the_context_length(run_server: RunServer) -> None:
    """Only a prompt that does not fit, or a limit above the context, is refused."""
    async with run_server(FakeEngine(max_model_len=200)) as running, running.openai() as client:
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.completions.create(model="demo", prompt="x" * 200, stream=stream)
            assert caught.value.code == "context_length_exceeded"
            assert "200" in caught.value.message
            with pytest.raises(openai.BadRequestError):
                await client.completions.create(
                    model="demo", prompt="x", max_tokens=201, stream=stream
                )
        fits = await client.completions.create(model="demo", prompt="x" * 199, max_tokens=200)
    assert fits.choices


FAILURES = [
    (EngineDead("dead"), 503, "service_unavailable_error", "engine_dead"),
    (EngineFailure("the engine failed"), 500, "server_error", "internal_error"),
    (RuntimeError("a bug in /srv/secret.py"), 500, "server_error", "internal_error"),
]


@pytest.mark.parametrize(("failure", "status", "kind", "code"), FAILURES)
@pytest.mark.parametrize("after", [0, 20])
async def test_a_failure_after_acceptance(
    run_server: RunServer, failure: Exception, status: int, kind: str, code: str, after: int
) -> None:
    """A stream ends with one error event and no `[DONE]`; the official client raises."""
    engine = FakeEngine(fails_after=after, failure=failure)
    async with run_server(engine) as running:
        answer = await running.ask("POST", CHAT, STREAM)
        async with running.openai() as client:
            stream = await client.chat.completions.create(**OFFICIAL, stream=True)
            with pytest.raises(openai.APIError) as caught:
                async for _ in stream:
                    pass
    assert answer.status == 200
    *events, last, nothing = answer.body.split(b"\n\n")
    assert nothing == b""
    assert last.startswith(b'data: {"error":')
    error = json.loads(last[6:])["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == (kind, code)
    assert b"secret" not in answer.body
    assert not any(b"error" in event or b"DONE" in event for event in events)
    assert (caught.value.type, caught.value.code) == (kind, code)


@pytest.mark.parametrize(("failure", "status", "kind", "code"), FAILURES)
async def test_a_whole_response_fails_with_a_status(
    run_server: RunServer, failure: Exception, status: int, kind: str, code: str
) -> None:
    """Where nothing was sent yet a failure is an HTTP status."""
    engine = FakeEngine(fails_after=0, failure=failure)
    async with run_server(engine) as running:
        answer = await running.ask("POST", CHAT, HELLO)
    assert answer.told() == (status, kind, code)
    assert answer.headers["x-request-id"]
    assert b"secret" not in answer.body
    assert answer.headers["retry-after"] if status == 503 else True


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (BadGeneration("no", "top_k"), (400, "invalid_request_error", None)),
        (EngineBusy("full"), (503, "service_unavailable_error", "server_is_overloaded")),
        (EngineDead("dead"), (503, "service_unavailable_error", "engine_dead")),
        (EngineFailure("no"), (500, "server_error", "internal_error")),
        (RuntimeError("bug"), (500, "server_error", "internal_error")),
    ],
)
async def test_what_the_engine_refuses_is_a_status(
    run_server: RunServer, refusal: Exception, told: tuple[int, str, str | None]
) -> None:
    """What is known before acceptance is an HTTP status, on streams too: never 200 and an error."""
    async with run_server(FakeEngine(refuses=refusal)) as running:
        for stream in (False, True):
            answer = await running.ask("POST", CHAT, {**HELLO, "stream": stream})
            assert answer.told() == told


async def test_one_stream_fails_and_another_goes_on(run_server: RunServer) -> None:
    """A failure is one request's: its neighbour on the same server finishes."""
    engine = held(free=5)
    async with run_server(engine) as running:
        neighbour = asyncio.create_task(running.ask("POST", CHAT, STREAM))
        await eventually(lambda: engine.taken.total() == 5)
        engine.refuses = EngineFailure("no")
        assert (await running.ask("POST", CHAT, STREAM)).status == 500
        let_go(engine)
        assert b"[DONE]" in (await neighbour).body
