"""The official SDK against a real engine: what it sees of thinking."""

import asyncio
from typing import Any

import openai
import pytest

from tests.real.gateways import Gateway
from tests.real.replies import (
    ANSWER,
    BASES,
    GREEDY,
    PROMPT,
    THINKING_TOKENS,
    TOKENS,
    Choice,
    Reply,
    ask,
    assert_nothing_of_thinking,
    sdk,
)


@pytest.mark.parametrize("streamed", [False, True])
def test_parsed_chat(gateway: Gateway, streamed: bool) -> None:
    """Thinking and answer come apart, and the tokens add up."""
    with sdk(gateway) as client:
        reply = ask(client, streamed, **GREEDY)
    assert reply.only.thinking.startswith("\n31, 4, 15, 92, 65\nsmallest 4, left 31")
    assert reply.only.text == ANSWER
    assert reply.only.finish_reason == "stop"
    assert (reply.usage["completion_tokens"], reply.reasoning_tokens) == (TOKENS, THINKING_TOKENS)
    assert reply.usage["total_tokens"] == reply.usage["prompt_tokens"] + TOKENS


@pytest.mark.parametrize("streamed", [False, True])
def test_visibility_changes_text_alone(gateway: Gateway, streamed: bool, whole: Choice) -> None:
    """In all three visibilities the reply ends and counts the same, streamed or not."""
    replies = []
    for base in BASES:
        with sdk(gateway, base) as client:
            replies.append(ask(client, streamed, **GREEDY))
    parsed, hidden, raw = replies
    assert parsed.counts() == hidden.counts() == raw.counts()
    assert parsed.only == whole
    assert (hidden.only.text, hidden.only.thinking) == (whole.text, "")
    assert raw.only.text == f"<think>{whole.thinking}</think>\n\n{whole.text}"
    assert_nothing_of_thinking(hidden)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "request_", [GREEDY, {"prompt": PROMPT, "temperature": 0, "max_tokens": 200}]
)
def test_hidden_by_the_query(gateway: Gateway, streamed: bool, request_: dict[str, Any]) -> None:
    """A client that always sends `?reasoning=hidden` gets no trace of thinking in any chunk."""
    with sdk(gateway, default_query={"reasoning": "hidden"}) as client:
        reply = ask(client, streamed, **request_)
    assert_nothing_of_thinking(reply)
    assert reply.only.text == ANSWER
    assert reply.reasoning_tokens == THINKING_TOKENS


@pytest.mark.parametrize("streamed", [False, True])
def test_nothink(gateway: Gateway, streamed: bool, whole: Choice) -> None:
    """Under /nothink the model does not think, and the template configured for it is used."""
    with sdk(gateway, "/nothink/v1") as client:
        replies = [
            ask(client, streamed, messages=[{"role": "user", "content": text}], temperature=0)
            for text in ("Sort these", "Sort these again")
        ]
    for reply in replies:
        assert reply.reasoning_tokens == 0
        assert reply.usage["completion_tokens"] == TOKENS - THINKING_TOKENS - 1
        assert reply.only == Choice(whole.text, "", "stop")
    # This template does not look at the messages.
    assert len({reply.usage["prompt_tokens"] for reply in replies}) == 1


@pytest.mark.parametrize("base", BASES)
def test_completions(gateway: Gateway, base: str) -> None:
    """A raw prompt is answered the same way, streamed or whole."""
    request = {"prompt": PROMPT, "temperature": 0, "max_tokens": 200}
    with sdk(gateway, base) as client:
        streamed, at_once = ask(client, True, **request), ask(client, False, **request)
    assert streamed.choices == at_once.choices
    assert streamed.counts() == at_once.counts()
    assert at_once.reasoning_tokens == THINKING_TOKENS


@pytest.mark.parametrize("streamed", [False, True])
def test_choices_are_reproducible(gateway: Gateway, streamed: bool) -> None:
    """With a seed several choices come out the same again, each its own."""
    request = {"prompt": "a", "temperature": 2, "n": 2, "seed": 7}
    with sdk(gateway) as client:
        first, second = ask(client, streamed, **request), ask(client, not streamed, **request)
    assert sorted(first.choices) == [0, 1]
    assert first.choices == second.choices
    assert first.counts()[1:] == second.counts()[1:]
    assert first.choices[0] != first.choices[1]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("base", BASES)
def test_stop_strings_are_the_answers(
    gateway: Gateway, streamed: bool, base: str, whole: Choice
) -> None:
    """A stop string ends the answer; one that only the thinking has ends nothing."""
    stop = "31"
    assert stop in whole.thinking
    with sdk(gateway, base) as client:
        stopped = ask(client, streamed, **GREEDY, stop=[stop])
        unstopped = ask(client, streamed, **GREEDY, stop="left")
    assert stopped.only.text.endswith("4, 15, ")
    assert (stopped.only.finish_reason, stopped.only.stop_reason) == ("stop", stop)
    assert stopped.usage["completion_tokens"] == THINKING_TOKENS + 8
    assert unstopped.only.text.endswith(whole.text)
    assert unstopped.only.stop_reason is None
    assert unstopped.usage["completion_tokens"] == TOKENS


@pytest.mark.anyio
async def test_stops_count_the_same_under_load(gateway: Gateway) -> None:
    """Streamed or whole, alone or among others: the same text, end and usage."""
    seeds = range(12)

    async def one(client: openai.AsyncOpenAI, seed: int, streamed: bool) -> Reply:
        ask_ = {"role": "user", "content": f"Count to {seed + 10}."}
        request: dict[str, Any] = {"stop": ["1, 12", "17", "9, 20"], "messages": [ask_]}
        if streamed:
            request |= {"stream": True, "stream_options": {"include_usage": True}}
        answer = await client.chat.completions.create(model="demo", temperature=0, **request)
        reply = Reply()
        if not streamed:
            reply.take(answer.model_dump())
            return reply
        async for chunk in answer:
            reply.take(chunk.model_dump())
        return reply

    base_url = f"{gateway.url}/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key="x", max_retries=0) as client:
        jobs = [(seed, streamed) for seed in seeds for streamed in (False, True, True)]
        replies = await asyncio.gather(*(one(client, *job) for job in jobs))
    for seed in seeds:
        at_once, *streams = replies[3 * seed : 3 * seed + 3]
        for stream in streams:
            assert stream.choices == at_once.choices
            assert stream.counts() == at_once.counts()
    assert any(reply.only.stop_reason for reply in replies)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("base", BASES)
def test_truncated_thinking(gateway: Gateway, streamed: bool, base: str, whole: Choice) -> None:
    """Cut in the middle of thinking there is no answer, and hidden shows nothing."""
    with sdk(gateway, base) as client:
        reply = ask(client, streamed, **GREEDY, max_tokens=10)
    assert reply.only.finish_reason == "length"
    assert (reply.usage["completion_tokens"], reply.reasoning_tokens) == (10, 10)
    if base == "/raw/v1":
        assert reply.only.text == f"<think>{whole.thinking[:12]}"
    else:
        assert reply.only.text == ""
        assert reply.only.thinking == (whole.thinking[:12] if base == "/v1" else "")
    if base == "/hidden/v1":
        assert_nothing_of_thinking(reply)
