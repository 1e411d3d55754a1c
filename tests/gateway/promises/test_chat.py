"""Chat completions with the official client: the shape of replies and their choices."""

import asyncio
from typing import Any

import pytest

from tests.conftest import RunServer
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import CHAT, HELLO, OFFICIAL

pytestmark = pytest.mark.anyio

THOUGHT = "\nLet me see.\n"
ANSWER = "It is 42."
REPLY_TOKENS = len(FakeEngine().reply)


async def test_parsed_thinking_has_its_own_field(run_server: RunServer) -> None:
    """By default thinking is sent apart from the answer, under both names."""
    async with run_server(FakeEngine()) as running, running.openai() as client:
        reply = await client.chat.completions.create(**OFFICIAL)
    assert reply.object == "chat.completion"
    assert reply.model == "demo"
    (choice,) = reply.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
    message: Any = choice.message
    assert (message.role, message.content) == ("assistant", ANSWER)
    assert message.reasoning == message.reasoning_content == THOUGHT


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_the_field_has_the_configured_name(run_server: RunServer, field: str) -> None:
    """`[thinking] field` sends thinking under one name alone, streamed or not."""
    (other,) = {"reasoning", "reasoning_content"} - {field}
    async with run_server(FakeEngine(), f"thinking.field={field}") as running:
        for stream in (False, True):
            body = {**HELLO, "stream": stream}
            answer = await running.ask("POST", CHAT, body)
            assert f'"{field}":'.encode() in answer.body
            assert f'"{other}":'.encode() not in answer.body


async def test_n_choices_are_told_apart(run_server: RunServer) -> None:
    """`n=2` answers twice, under indexes of their own, and counts both."""
    async with run_server(FakeEngine()) as running, running.openai() as client:
        whole = await client.chat.completions.create(**OFFICIAL, n=2)
        stream = await client.chat.completions.create(**OFFICIAL, n=2, stream=True)
        chunks = [chunk async for chunk in stream]
    assert [choice.index for choice in whole.choices] == [0, 1]
    assert [choice.message.content for choice in whole.choices] == [ANSWER] * 2
    assert whole.usage
    assert whole.usage.completion_tokens == 2 * REPLY_TOKENS
    for index in (0, 1):
        choices = [chunk.choices[0] for chunk in chunks if chunk.choices[0].index == index]
        assert choices[0].delta.role == "assistant"
        assert "".join(choice.delta.content or "" for choice in choices) == ANSWER
        assert choices[-1].finish_reason == "stop"


async def test_many_at_once_do_not_mix(run_server: RunServer) -> None:
    """A hundred requests at a time each get their own reply."""
    async with run_server(FakeEngine(reply="</think>same", cuts=(2,))) as running:
        async with running.openai() as client:
            replies = await asyncio.gather(
                *(client.chat.completions.create(**OFFICIAL) for _ in range(100))
            )
    assert len({reply.id for reply in replies}) == 100
    assert {reply.choices[0].message.content for reply in replies} == {"same"}
