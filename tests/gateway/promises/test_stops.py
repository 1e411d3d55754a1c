"""Stop strings and token limits end a reply."""

from typing import Any

import pytest

from tests.conftest import RunServer, eventually, request
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import (
    CHAT,
    COMPLETIONS,
    OFFICIAL,
    begin,
    grown,
    held,
    let_go,
    payload,
)

pytestmark = pytest.mark.anyio

ANSWER = "It is 42."


@pytest.mark.parametrize(
    ("stop", "found", "before"),
    [("is", "is", "It "), (["never", "is"], "is", "It "), (["is", "It is"], "is", "It ")],
)
async def test_stop_ends_the_answer_and_the_engine_request(
    run_server: RunServer, stop: str | list[str], found: str, before: str
) -> None:
    """A stop string cuts the answer before it, is named, and frees the engine."""
    engine = FakeEngine()
    async with run_server(engine) as running, running.openai() as client:
        for cut in (1, 7, 100):
            engine.cuts = (cut,)
            whole = await client.chat.completions.create(**OFFICIAL, stop=stop)
            stream = await client.chat.completions.create(**OFFICIAL, stop=stop, stream=True)
            choices: list[Any] = [chunk.choices[0] async for chunk in stream]
            await eventually(lambda: not engine.open)
            assert whole.choices[0].message.content == before
            assert "".join(choice.delta.content or "" for choice in choices) == before
            for choice in (whole.choices[0], choices[-1]):
                assert (choice.finish_reason, choice.stop_reason) == ("stop", found)


async def test_stop_in_the_thinking_stops_nothing(run_server: RunServer) -> None:
    """Stop strings are looked for in the answer only."""
    async with run_server(FakeEngine()) as running, running.openai() as client:
        reply = await client.chat.completions.create(**OFFICIAL, stop=["Let me", "</think>", "see"])
    assert reply.choices[0].message.content == ANSWER


async def test_the_token_limit_is_told(run_server: RunServer) -> None:
    """A reply cut in its thinking has no answer, says `length`, and all of it is thinking."""
    async with run_server(FakeEngine()) as running, running.openai() as client:
        reply = await client.chat.completions.create(
            **OFFICIAL, max_completion_tokens=12, max_tokens=30
        )
    (choice,) = reply.choices
    assert (choice.message.content, choice.finish_reason) == ("", "length")
    assert choice.message.reasoning == "\nLet "  # type: ignore[attr-defined]
    assert reply.usage
    assert reply.usage.completion_tokens == 12
    assert reply.usage.completion_tokens_details
    assert reply.usage.completion_tokens_details.reasoning_tokens == 12


STOPPED = 'gateway_engine_aborts_total{reason="stop_string"}'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {**OFFICIAL, "n": 3}),
        (COMPLETIONS, {"prompt": ["a", "b", "c"], "max_tokens": 99}),
    ],
)
async def test_a_choice_that_stops_is_ended_at_once(
    run_server: RunServer, path: str, fields: dict[str, Any], stream: bool
) -> None:
    """While the others of its request go on, be they choices of one prompt or of several."""
    engine = held(free=5, reply="x" * 20, replies={1: "a.b" + "c" * 20})
    body = {**fields, "stop": ".", "stream": stream}
    async with run_server(engine) as running, running.connect() as connection:
        before = await running.metrics()
        connection.send(request("POST", path, body, {"connection": "close"}))
        await eventually(lambda: engine.taken.total() == 5 + 2 + 5)
        assert engine.ended == [1]
        assert engine.open
        if stream:
            assert b'"index":1' in await connection.until(b'"finish_reason":"stop"')
        let_go(engine)
        await connection.rest()
        growth = grown(before, await running.metrics())
    assert engine.ended == [1]
    assert growth[STOPPED] == 1
    assert growth['gateway_completion_tokens_total{model="demo"}'] == 20 + 2 + 20


async def test_what_the_engine_has_finished_is_not_ended_again(run_server: RunServer) -> None:
    """A stop string in a choice's last delta: the engine's word came first."""
    engine = FakeEngine(reply="a.b", cuts=(10,))
    async with run_server(engine) as running, running.connect() as connection:
        before = await running.metrics()
        await begin(connection, stop=".")
        assert b'"stop_reason":"."' in payload(await connection.rest())
        growth = grown(before, await running.metrics())
    assert engine.ended == []
    assert STOPPED not in growth
