"""Stop strings and token limits end a reply."""

from typing import Any

import pytest

from tests.conftest import RunServer, eventually
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import OFFICIAL

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
