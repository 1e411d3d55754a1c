"""Request bodies, typed: OpenAI's fields, vLLM's sampling parameters, and those for thinking."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from engine.types import Message, Sampling, Tool
from gateway.http.errors import InvalidRequest
from gateway.thinking.fields import ThinkingFields

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Share = Annotated[float, Meta(ge=0, le=1)]
StopString = Annotated[str, Meta(min_length=1, max_length=1024)]
TokenIds = list[Int64]


class StreamOptions(msgspec.Struct, frozen=True):
    """What a stream carries beside the deltas."""

    include_usage: bool = False
    continuous_usage_stats: bool = False


class Body(ThinkingFields, frozen=True, kw_only=True):
    """What chat completions and completions have in common."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    n: Count | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Share | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    seed: Int64 | None = None
    stop: StopString | list[StopString] | None = None
    logit_bias: Annotated[dict[str, float], Meta(max_length=300)] | None = None
    ignore_eos: bool | None = None

    def sampling(self) -> Sampling:
        """How the engine is to choose tokens.

        Raises:
            InvalidRequest: a key of `logit_bias` is not a token id.
        """
        return Sampling(
            n=self.n or 1,
            max_tokens=self.token_limit()[1],
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
            seed=self.seed,
            logit_bias=_token_biases(self.logit_bias) if self.logit_bias else None,
            ignore_eos=bool(self.ignore_eos),
        )

    def stops(self) -> tuple[str, ...]:
        """The stop strings, in the request's order."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def token_limit(self) -> tuple[str, int | None]:
        """The field that says how many tokens at most, and what it says."""
        return "max_tokens", self.max_tokens


class ChatBody(Body, frozen=True, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    chat_template: str | None = None
    tools: list[Tool] | None = None
    tool_choice: str | None = None

    def token_limit(self) -> tuple[str, int | None]:
        """OpenAI's new name for the limit wins over the old one, as in vLLM."""
        if self.max_completion_tokens is None:
            return "max_tokens", self.max_tokens
        return "max_completion_tokens", self.max_completion_tokens

    def offered(self) -> Sequence[Tool]:
        """The tools that the model may call."""
        return () if self.tool_choice == "none" else self.tools or ()

    def last_word(self) -> str:
        users = [message for message in self.messages if message.role == "user"]
        content = users[-1].content if users else None
        if isinstance(content, list):
            content = content[-1].text if content else None
        return content.rsplit(maxsplit=1)[-1] if content and not content.isspace() else ""


class CompletionBody(Body, frozen=True, kw_only=True):
    """`POST /v1/completions`."""

    prompt: str | list[str | Int64 | TokenIds]

    def token_limit(self) -> tuple[str, int | None]:
        """OpenAI's default for this route is 16."""
        return "max_tokens", self.max_tokens or 16

    def prompts(self) -> list[str | TokenIds]:
        """The prompts, each a text or token ids.

        Raises:
            InvalidRequest: there is none, or texts and token ids are mixed.
        """
        if isinstance(self.prompt, str):
            return [self.prompt]
        kinds = {type(item) for item in self.prompt}
        if kinds == {int}:
            return [[item for item in self.prompt if isinstance(item, int)]]
        if kinds in ({str}, {list}):
            return [item for item in self.prompt if not isinstance(item, int)]
        raise InvalidRequest("prompt must be a string, token ids, or a list of either.", "prompt")


def _token_biases(biases: Mapping[str, float]) -> dict[int, float]:
    tokens = {}
    for token, bias in biases.items():
        if not (token.isascii() and token.isdigit() and len(token) < 10):
            raise InvalidRequest("The keys of logit_bias must be token ids.", "logit_bias")
        tokens[int(token)] = bias
    return tokens
