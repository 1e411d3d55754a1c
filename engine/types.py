"""The engine's vocabulary, free of vLLM: what is asked of it, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import msgspec

FinishReason = Literal["stop", "length"]


class TextPart(msgspec.Struct, frozen=True, tag="text", tag_field="type"):
    """A piece of a message's text."""

    text: str


class Function(msgspec.Struct, frozen=True):
    """Which function the model called, and its arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True):
    """One call: of an earlier assistant turn, or of the reply."""

    function: Function
    id: str = ""
    type: Literal["function"] = "function"


class FunctionDefinition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True):
    """What a request offers to the model."""

    function: FunctionDefinition
    type: Literal["function"] = "function"


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of a conversation, as OpenAI's API has it.

    Assistant turns may carry their thinking as `reasoning` or as `reasoning_content`.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChatInput:
    """A conversation to be rendered.

    Attributes:
        messages: the turns, in order.
        template: name of a configured chat template; None for the model's own.
        variables: the template's variables, such as `enable_thinking`.
        prefill: text put behind the rendered prompt, where the model goes on.
        tools: what the model may call.
        inside_turn: special tokens that do not begin a turn (see `Prompt.tail`).
    """

    messages: Sequence[Message]
    template: str | None = None
    variables: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    prefill: str = ""
    tools: Sequence[Tool] = ()
    inside_turn: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model will read it.

    Attributes:
        token_ids: its tokens.
        tail: its text from the last special token on that can begin a turn: the opening of the
            turn that is to be written.
    """

    token_ids: Sequence[int]
    tail: str


@dataclass(frozen=True, slots=True)
class MarkToken:
    """A text that is a single token of the model's vocabulary; special ones are not written."""

    text: str
    token_id: int
    special: bool


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose tokens; None leaves a value to the model's generation config."""

    n: int = 1
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    logit_bias: Mapping[int, float] | None = None
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Prompts to go on from, each `sampling.n` times.

    Choice `p * n + i` is prompt p's i-th, and an engine request of its own.

    Attributes:
        request_id: unique among all that the engine has ever been given.
        prompts: where to go on from.
        sampling: how.
        incremental: what a choice gains is wanted as it comes, not when there is much of it.
        written: special tokens that are text nevertheless, and how they are written: the marks of
            families whose marks are special tokens.
    """

    request_id: str
    prompts: Sequence[Prompt]
    sampling: Sampling
    incremental: bool
    written: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))


class Delta(msgspec.Struct, frozen=True, gc=False):
    """What one choice has gained since it was last asked.

    Attributes:
        index: the choice, from 0.
        token_ids: its new tokens.
        texts: for each of them the text that it completes; '' where it only begins a character,
            or is not written at all.
        finish_reason: set on the choice's last delta.
        cached_tokens: how many of the prompt's tokens came from the prefix cache.
        queue_seconds: time spent waiting to be scheduled; on the last delta, with statistics on.
        first_token_seconds: time from arrival to the first token; likewise.
    """

    index: int
    token_ids: Sequence[int]
    texts: Sequence[str]
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0
    queue_seconds: float | None = None
    first_token_seconds: float | None = None
