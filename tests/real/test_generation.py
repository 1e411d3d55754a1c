"""The official SDK against a real engine: prompts, sampling and bounds."""

import json
from typing import Any

import httpx2
import openai
import pytest
from tokenizers import Tokenizer

from engine.demo import MODEL
from tests.real.gateways import CHAT, COMPLETIONS, CONTEXT, QUESTION, Gateway
from tests.real.replies import (
    GREEDY,
    Choice,
    ask,
    sdk,
)


def test_sampling_reaches_the_engine(gateway: Gateway, whole: Choice) -> None:
    """A bias forces a token, the end can be ignored, the likeliest of one token is greedy."""
    with sdk(gateway) as client:
        forced = ask(client, False, prompt="A", max_tokens=3, logit_bias={"36": 100})
        endless = ask(client, False, **GREEDY, max_tokens=100, ignore_eos=True)
        likeliest = ask(client, False, messages=QUESTION, temperature=1, top_k=1)
        ask(
            *(client, False),
            **(GREEDY | {"frequency_penalty": 1.5, "presence_penalty": -1.5}),
            **{"repetition_penalty": 1.2, "min_p": 0.05, "top_p": 0.9, "max_tokens": 5},
        )
    assert len(forced.only.text) == 3
    assert len(set(forced.only.text)) == 1
    assert (endless.usage["completion_tokens"], endless.only.finish_reason) == (100, "length")
    assert likeliest.only == whole


@pytest.mark.parametrize("streamed", [False, True])
def test_prompts_of_token_ids(gateway: Gateway, streamed: bool) -> None:
    """Token ids, and lists of them or of texts: one choice a prompt, all counted."""
    with sdk(gateway) as client:
        one = ask(client, streamed, prompt=[40, 41, 42], temperature=0, ignore_eos=True)
        ids = ask(client, streamed, prompt=[[40, 41, 42], [50]], temperature=0, ignore_eos=True)
        texts = ask(client, streamed, prompt=["A", "BC", "DEF"], n=2, temperature=1)
    assert one.usage["prompt_tokens"] == 3
    assert sorted(ids.choices) == [0, 1]
    assert (ids.usage["prompt_tokens"], ids.usage["completion_tokens"]) == (4, 32)
    assert ids.choices[0] == one.only
    assert sorted(texts.choices) == list(range(6))
    assert texts.usage["prompt_tokens"] == 6


def test_a_repeated_prompt_is_cached(gateway: Gateway) -> None:
    """The second time, most of a long prompt comes from the prefix cache."""
    request = GREEDY | {"messages": [{"role": "user", "content": "Once upon a time. " * 40}]}
    with sdk(gateway) as client:
        first, second = ask(client, False, **request), ask(client, True, **request)
    cached = second.usage["prompt_tokens_details"]["cached_tokens"]
    assert first.usage["prompt_tokens_details"]["cached_tokens"] == 0
    assert second.usage["prompt_tokens"] - 256 < cached < second.usage["prompt_tokens"]


@pytest.mark.parametrize(
    "text",
    ["é", "中文", "🎉🏳️‍🌈", "\u0000\u001f", "e\u0301\u202e", "\U0010fffd", "a\tb\r\nc", '"\\'],
)
def test_any_text_is_a_prompt(gateway: Gateway, text: str) -> None:
    """Whatever Unicode is sent reaches the model, as many tokens as its tokenizer makes of it."""
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    with sdk(gateway) as client:
        reply = ask(client, True, prompt=text, temperature=0, max_tokens=4)
    assert reply.usage["prompt_tokens"] == len(tokenizer.encode(text).ids)
    assert reply.usage["completion_tokens"] == 4


INTEGERS = (
    *("n", "max_tokens", "max_completion_tokens", "top_k", "seed", "min_tokens", "top_logprobs"),
    *("thinking_token_budget", "thinking_budget", "reasoning_budget", "truncate_prompt_tokens"),
    *("reasoning.max_tokens", "thinking.budget_tokens"),
)


@pytest.mark.parametrize(
    "value",
    [2**63, 2**64, 10**400, -(2**63) - 1],
    ids=["2**63", "2**64", "10**400", "-2**63-1"],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_integers_beyond_64_bits(gateway: Gateway, value: int, streamed: bool) -> None:
    """An integer that the engine could not pass on is a 400, and leaves nothing behind."""
    bodies: list[tuple[str, dict[str, Any]]] = []
    for name in INTEGERS:
        outer, _, inner = name.partition(".")
        bodies.append((CHAT, GREEDY | {outer: {inner: value} if inner else value}))
    bodies += [
        (COMPLETIONS, {"prompt": [value]}),
        (COMPLETIONS, {"prompt": [[1], [2, value]]}),
        (COMPLETIONS, {"prompt": "A", "logit_bias": {str(value): 1}}),
        (COMPLETIONS, {"prompt": "A", "seed": value}),
    ]
    with gateway.client() as client:
        for path, body in bodies:
            answer = client.post(path, json={**body, "stream": streamed})
            assert answer.status_code == 400, body
            error = answer.json()["error"]
            assert error["type"] == "invalid_request_error"
            assert set(error) == {"message", "type", "param", "code"}
    assert gateway.wait_until_idle() < 2


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("streamed", [False, True])
def test_prompts_around_the_context(gateway: Gateway, path: str, streamed: bool) -> None:
    """L-1 tokens leave room for one; L or more are a 400, before any stream has begun."""
    answers: list[httpx2.Response] = []
    with gateway.client() as client:
        seven = [{"role": "user", "content": "7"}]
        hello = client.post(CHAT, json={"messages": seven, "max_tokens": 1}).json()
        template = hello["usage"]["prompt_tokens"] - 1
        for length in (CONTEXT - 1, CONTEXT, CONTEXT + 1, 20 * CONTEXT):
            text = "7" * (length - (template if path == CHAT else 0))
            prompt = {"messages": [{"role": "user", "content": text}]}
            body = prompt if path == CHAT else {"prompt": text}
            options = {"stream_options": {"include_usage": True}} if streamed else {}
            answers.append(client.post(path, json={**body, "stream": streamed, **options}))
    fits, *others = answers
    assert fits.status_code == 200
    text = fits.text.splitlines()[-4].removeprefix("data: ") if streamed else fits.text
    usage = json.loads(text)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (CONTEXT - 1, 1)
    for answer in others:
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "context_length_exceeded"
        assert str(CONTEXT) in error["message"]


def test_max_tokens_is_clamped(gateway: Gateway) -> None:
    """A limit beyond what the context leaves is clamped; beyond the context itself it is a 400."""
    ids = [40] * (CONTEXT - 50)
    with sdk(gateway) as client:
        reply = ask(client, False, prompt=ids, max_tokens=CONTEXT, ignore_eos=True)
        with pytest.raises(openai.BadRequestError) as refused:
            ask(client, False, prompt=ids, max_tokens=CONTEXT + 1)
    assert (reply.usage["completion_tokens"], reply.only.finish_reason) == (50, "length")
    assert refused.value.param == "max_tokens"
    assert str(CONTEXT) in refused.value.message


def test_models_are_listed(gateway: Gateway) -> None:
    """The SDK finds the model, by its name and with a suffix."""
    with sdk(gateway) as client:
        (card,) = client.models.list().data
        hidden = client.models.retrieve("demo:hidden")
    assert card.id == "demo"
    assert card.model_extra is not None
    assert card.model_extra["max_model_len"] == CONTEXT
    assert hidden.object == "model"
