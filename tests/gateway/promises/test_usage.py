"""How many tokens it took, and of what kind."""

from typing import Any

import pytest

from tests.conftest import RunServer
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import HELLO, OFFICIAL

pytestmark = pytest.mark.anyio

THOUGHT = "\nLet me see.\n"
PROMPT_TOKENS = len("<|im_start|>user\n?<|im_end|>\n<|im_start|>assistant\n")
REPLY_TOKENS, THOUGHT_TOKENS = len(FakeEngine().reply), len(f"<think>{THOUGHT}</think>")


async def test_usage_adds_up(run_server: RunServer) -> None:
    """Prompt and completion make the total; thinking and cached tokens are told apart."""
    async with run_server(FakeEngine(cached_tokens=16)) as running, running.openai() as client:
        reply = await client.chat.completions.create(**OFFICIAL)
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
        whole = await client.chat.completions.create(**OFFICIAL)
        stream = await client.chat.completions.create(
            **OFFICIAL, stream=True, stream_options={"include_usage": True}
        )
        *chunks, last = [chunk async for chunk in stream]
        body = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
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
            **OFFICIAL, stream=True, stream_options=options
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
