"""Chat completions with the official client: shapes, choices, stops, usage and headers."""

import asyncio
from typing import Any

import pytest

from tests.conftest import RunServer, eventually
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

HELLO: list[Any] = [{"role": "user", "content": "?"}]
THOUGHT = "\nLet me see.\n"
ANSWER = "It is 42."
PROMPT_TOKENS = len("<|im_start|>user\n?<|im_end|>\n<|im_start|>assistant\n")
REPLY_TOKENS, THOUGHT_TOKENS = len(FakeEngine().reply), len(f"<think>{THOUGHT}</think>")


async def test_parsed_thinking_has_its_own_field(run_server: RunServer) -> None:
    """By default thinking is sent apart from the answer, under both names."""
    async with run_server(FakeEngine()) as running, running.openai() as client:
        reply = await client.chat.completions.create(model="demo", messages=HELLO)
    assert reply.object == "chat.completion"
    assert reply.model == "demo"
    (choice,) = reply.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
    message: Any = choice.message
    assert (message.role, message.content) == ("assistant", ANSWER)
    assert message.reasoning == message.reasoning_content == THOUGHT


@pytest.mark.parametrize("cuts", [(1,), (9, 1, 17, 2), (100,)])
async def test_a_stream_brings_thinking_then_answer(
    run_server: RunServer, cuts: tuple[int, ...]
) -> None:
    """However the model's text is cut: the role, the thinking, the answer, the end."""
    async with run_server(FakeEngine(cuts=cuts)) as running, running.openai() as client:
        stream = await client.chat.completions.create(model="demo", messages=HELLO, stream=True)
        chunks = [chunk async for chunk in stream]
    deltas: list[Any] = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert "".join(getattr(delta, "reasoning", "") for delta in deltas) == THOUGHT
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == THOUGHT
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    kinds = ["t" if hasattr(delta, "reasoning") else "a" for delta in deltas if delta.role is None]
    assert "".join(kinds) == "".join(sorted(kinds, reverse=True))
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + [
        "stop"
    ]
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert chunks[0].object == "chat.completion.chunk"
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_the_field_has_the_configured_name(run_server: RunServer, field: str) -> None:
    """`[thinking] field` sends thinking under one name alone, streamed or not."""
    (other,) = {"reasoning", "reasoning_content"} - {field}
    async with run_server(FakeEngine(), f"thinking.field={field}") as running:
        for stream in (False, True):
            body = {"messages": HELLO, "stream": stream}
            answer = await running.ask("POST", "/v1/chat/completions", body)
            assert f'"{field}":'.encode() in answer.body
            assert f'"{other}":'.encode() not in answer.body


async def test_n_choices_are_told_apart(run_server: RunServer) -> None:
    """`n=2` answers twice, under indexes of their own, and counts both."""
    async with run_server(FakeEngine()) as running, running.openai() as client:
        whole = await client.chat.completions.create(model="demo", messages=HELLO, n=2)
        stream = await client.chat.completions.create(
            model="demo", messages=HELLO, n=2, stream=True
        )
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
            whole = await client.chat.completions.create(model="demo", messages=HELLO, stop=stop)
            stream = await client.chat.completions.create(
                model="demo", messages=HELLO, stop=stop, stream=True
            )
            choices: list[Any] = [chunk.choices[0] async for chunk in stream]
            await eventually(lambda: not engine.open)
            assert whole.choices[0].message.content == before
            assert "".join(choice.delta.content or "" for choice in choices) == before
            for choice in (whole.choices[0], choices[-1]):
                assert (choice.finish_reason, choice.stop_reason) == ("stop", found)


async def test_stop_in_the_thinking_stops_nothing(run_server: RunServer) -> None:
    """Stop strings are looked for in the answer only."""
    async with run_server(FakeEngine()) as running, running.openai() as client:
        reply = await client.chat.completions.create(
            model="demo", messages=HELLO, stop=["Let me", "</think>", "see"]
        )
    assert reply.choices[0].message.content == ANSWER


async def test_the_token_limit_is_told(run_server: RunServer) -> None:
    """A reply cut in its thinking has no answer, says `length`, and all of it is thinking."""
    async with run_server(FakeEngine()) as running, running.openai() as client:
        reply = await client.chat.completions.create(
            model="demo", messages=HELLO, max_completion_tokens=12, max_tokens=30
        )
    (choice,) = reply.choices
    assert (choice.message.content, choice.finish_reason) == ("", "length")
    assert choice.message.reasoning == "\nLet "  # type: ignore[attr-defined]
    assert reply.usage
    assert reply.usage.completion_tokens == 12
    assert reply.usage.completion_tokens_details
    assert reply.usage.completion_tokens_details.reasoning_tokens == 12


async def test_usage_adds_up(run_server: RunServer) -> None:
    """Prompt and completion make the total; thinking and cached tokens are told apart."""
    async with run_server(FakeEngine(cached_tokens=16)) as running, running.openai() as client:
        reply = await client.chat.completions.create(model="demo", messages=HELLO)
    assert reply.usage
    assert reply.usage.model_dump(exclude_unset=True) == {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": REPLY_TOKENS,
        "total_tokens": PROMPT_TOKENS + REPLY_TOKENS,
        "prompt_tokens_details": {"cached_tokens": 16},
        "completion_tokens_details": {"reasoning_tokens": THOUGHT_TOKENS},
    }


async def test_include_usage_adds_one_chunk(run_server: RunServer) -> None:
    """The chunk before `[DONE]` has the usage and no choices; on all others it is null."""
    async with run_server(FakeEngine()) as running, running.openai() as client:
        whole = await client.chat.completions.create(model="demo", messages=HELLO)
        stream = await client.chat.completions.create(
            model="demo", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        *chunks, last = [chunk async for chunk in stream]
        body = {"messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
        raw = await running.ask("POST", "/v1/chat/completions", body)
    assert last.choices == []
    assert last.usage == whole.usage
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    frames = raw.body.split(b"\n\n")
    assert frames[-2:] == [b"data: [DONE]", b""]
    assert all(b'"usage":null' in frame for frame in frames[:-3])


async def test_continuous_usage_is_on_every_chunk(run_server: RunServer) -> None:
    """With `continuous_usage_stats` each chunk tells the tokens so far, thinking among them."""
    options: Any = {"include_usage": True, "continuous_usage_stats": True}
    async with run_server(FakeEngine()) as running, running.openai() as client:
        stream = await client.chat.completions.create(
            model="demo", messages=HELLO, stream=True, stream_options=options
        )
        usages = [chunk.usage async for chunk in stream]
    counts = []
    for usage in usages:
        assert usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        counts.append(usage.completion_tokens)
    assert counts == sorted(counts)
    assert counts[-1] == counts[-2] == REPLY_TOKENS
    assert len(set(counts)) > 20


async def test_many_at_once_do_not_mix(run_server: RunServer) -> None:
    """A hundred requests at a time each get their own reply."""
    async with run_server(FakeEngine(reply="</think>same", cuts=(2,))) as running:
        async with running.openai() as client:
            replies = await asyncio.gather(
                *(client.chat.completions.create(model="demo", messages=HELLO) for _ in range(100))
            )
    assert len({reply.id for reply in replies}) == 100
    assert {reply.choices[0].message.content for reply in replies} == {"same"}
