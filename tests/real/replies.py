"""What the official SDK gets, whole or streamed, in one shape."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import openai

from tests.real.gateways import QUESTION, Gateway

GREEDY = {"messages": QUESTION, "temperature": 0}
PROMPT = f"<|im_start|>user\n{QUESTION[0]['content']}<|im_end|>\n<|im_start|>assistant\n"
ANSWER = "4, 15, 31, 65, 92"
TOKENS, THINKING_TOKENS = 94, 79
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
    """The model thinks about the question in words, and answers it in numbers."""
    assert not any(choice.thinking for choice in reply.choices.values())
    for text in reply.strings:
        assert re.fullmatch(r"[\d, ]*", text)
