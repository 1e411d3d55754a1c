"""The official SDK against a real engine."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai
import pytest

from tests.real.gateways import CHAT, COMPLETIONS, CONTEXT, HELLO, Gateway

GREEDY = {"messages": HELLO, "temperature": 0}
TOKENS, THINKING_TOKENS = 59, 29
BASES = ("/v1", "/hidden/v1", "/raw/v1")


@dataclass
class Choice:
    """One choice, whole or put together from its chunks."""

    text: str = ""
    thinking: str = ""
    finish_reason: str | None = None
    stop_reason: str | None = None


@dataclass
class Reply:
    """A whole or streamed response in one shape; `strings` has all that was sent in choices."""

    choices: dict[int, Choice] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    strings: list[str] = field(default_factory=list)

    def take(self, chunk: Mapping[str, Any]) -> None:
        """Add a chunk, or a whole response."""
        self.usage = chunk.get("usage") or self.usage
        for sent in chunk["choices"]:
            choice = self.choices.setdefault(sent["index"], Choice())
            said = sent.get("delta") or sent.get("message") or sent
            choice.text += said.get("content") or said.get("text") or ""
            choice.thinking += said.get("reasoning_content") or ""
            assert said.get("reasoning_content") == said.get("reasoning")
            choice.finish_reason = sent["finish_reason"] or choice.finish_reason
            choice.stop_reason = sent.get("stop_reason") or choice.stop_reason
            self.strings += _strings({**said, "role": "", "finish_reason": ""})

    @property
    def only(self) -> Choice:
        """The only choice."""
        (choice,) = self.choices.values()
        return choice

    @property
    def reasoning_tokens(self) -> int:
        """Tokens of thinking, as the usage has it."""
        tokens: int = self.usage["completion_tokens_details"]["reasoning_tokens"]
        return tokens

    def counts(self) -> tuple[object, ...]:
        """What visibility must not change."""
        usage = self.usage
        return (
            [choice.finish_reason for choice in self.choices.values()],
            usage["prompt_tokens"],
            usage["completion_tokens"],
            usage["total_tokens"],
            self.reasoning_tokens,
        )


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def sdk(gateway: Gateway, base: str = "/v1", **options: Any) -> openai.OpenAI:
    """The official client."""
    return openai.OpenAI(base_url=gateway.url + base, api_key="x", max_retries=0, **options)


def ask(client: openai.OpenAI, streamed: bool, **request: Any) -> Reply:
    """A chat completion, or with `prompt` a completion."""
    create = client.completions.create if "prompt" in request else client.chat.completions.create
    names = {"logit_bias", "max_tokens", "messages", "n", "prompt", "seed", "stop", "temperature"}
    extra = {name: value for name, value in request.items() if name not in names}
    options = {name: value for name, value in request.items() if name in names}
    if streamed:
        options |= {"stream": True, "stream_options": {"include_usage": True}}
    answer = create(model="demo", **options, extra_body=extra)
    reply = Reply()
    for chunk in answer if streamed else [answer]:
        reply.take(chunk.model_dump())
    return reply


def assert_nothing_of_thinking(reply: Reply) -> None:
    """The demo model thinks in lower case and answers in capitals."""
    assert not any(choice.thinking for choice in reply.choices.values())
    for text in reply.strings:
        assert text == text.upper()
        assert "<" not in text


@pytest.fixture(scope="module")
def whole(start: tuple[Gateway, object]) -> Choice:
    """The greedy reply to a greeting."""
    with sdk(start[0]) as client:
        return ask(client, False, **GREEDY).only


@pytest.mark.parametrize("streamed", [False, True])
def test_parsed_chat(gateway: Gateway, streamed: bool) -> None:
    """Thinking and answer come apart, and the tokens add up."""
    with sdk(gateway) as client:
        reply = ask(client, streamed, **GREEDY)
    assert reply.only.thinking.replace(" ", "").islower()
    assert reply.only.text.replace("_", "").removesuffix(".").isupper()
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
@pytest.mark.parametrize("request_", [GREEDY, {"prompt": "\n", "temperature": 0, "max_tokens": 99}])
def test_hidden_by_the_query(gateway: Gateway, streamed: bool, request_: dict[str, Any]) -> None:
    """A client that always sends `?reasoning=hidden` gets no trace of thinking in any chunk."""
    with sdk(gateway, default_query={"reasoning": "hidden"}) as client:
        reply = ask(client, streamed, **request_)
    assert_nothing_of_thinking(reply)
    assert reply.only.text.endswith(".")
    assert reply.reasoning_tokens == THINKING_TOKENS


@pytest.mark.parametrize("streamed", [False, True])
def test_nothink(gateway: Gateway, streamed: bool, whole: Choice) -> None:
    """Under /nothink the model does not think, and the template configured for it is used."""
    with sdk(gateway, "/nothink/v1") as client:
        replies = [
            ask(client, streamed, messages=[{"role": "user", "content": text}], temperature=0)
            for text in ("Hello", "Hello again")
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
    request = {"prompt": "<|im_start|>assistant\n", "temperature": 0, "max_tokens": 99}
    with sdk(gateway, base) as client:
        streamed, at_once = ask(client, True, **request), ask(client, False, **request)
    assert streamed.choices == at_once.choices
    assert streamed.counts() == at_once.counts()
    assert at_once.reasoning_tokens == THINKING_TOKENS


@pytest.mark.parametrize("streamed", [False, True])
def test_choices_are_reproducible(gateway: Gateway, streamed: bool) -> None:
    """With a seed several choices come out the same again, each its own."""
    request = {"messages": HELLO, "temperature": 1, "n": 2, "seed": 7}
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
    stop = whole.text[5:8]
    with sdk(gateway, base) as client:
        stopped = ask(client, streamed, **GREEDY, stop=[stop])
        unstopped = ask(client, streamed, **GREEDY, stop=whole.thinking[3:6])
    assert stopped.only.text.endswith(whole.text[:5])
    assert (stopped.only.finish_reason, stopped.only.stop_reason) == ("stop", stop)
    assert stopped.usage["completion_tokens"] == THINKING_TOKENS + 1 + 8
    assert unstopped.only.text.endswith(whole.text)
    assert unstopped.only.stop_reason is None
    assert unstopped.usage["completion_tokens"] == TOKENS


@pytest.mark.anyio
async def test_stops_count_the_same_under_load(gateway: Gateway) -> None:
    """Streamed or whole, alone or among others: the same text, end and usage."""
    seeds = range(12)

    async def one(client: openai.AsyncOpenAI, seed: int, streamed: bool) -> Reply:
        request: dict[str, Any] = {"stop": ["E", "_Y", "QJ"], "temperature": 1, "seed": seed}
        if streamed:
            request |= {"stream": True, "stream_options": {"include_usage": True}}
        answer = await client.chat.completions.create(model="demo", messages=HELLO, **request)
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
        assert reply.only.text == f"<think>{whole.thinking[:9]}"
    else:
        assert reply.only.text == ""
        assert reply.only.thinking == (whole.thinking[:9] if base == "/v1" else "")
    if base == "/hidden/v1":
        assert_nothing_of_thinking(reply)


def test_sampling_reaches_the_engine(gateway: Gateway, whole: Choice) -> None:
    """A bias forces a token, the end can be ignored, the likeliest of one token is greedy."""
    with sdk(gateway) as client:
        forced = ask(client, False, prompt="A", max_tokens=3, logit_bias={"36": 100})
        endless = ask(client, False, **GREEDY, max_tokens=100, ignore_eos=True)
        likeliest = ask(client, False, messages=HELLO, temperature=1, top_k=1)
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
    """Whatever Unicode is sent reaches the model as its UTF-8 bytes, each one a token here."""
    with sdk(gateway) as client:
        reply = ask(client, True, prompt=text, temperature=0, max_tokens=4)
    assert reply.usage["prompt_tokens"] == len(text.encode())
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
        hello = client.post(CHAT, json={**GREEDY, "max_tokens": 1}).json()
        template = hello["usage"]["prompt_tokens"] - len(HELLO[0]["content"])
        for length in (CONTEXT - 1, CONTEXT, CONTEXT + 1, 20 * CONTEXT):
            text = "a" * (length - (template if path == CHAT else 0))
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
