"""The engine's vocabulary, free of vLLM: what is asked of it, what comes back, and its protocol."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

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
    """

    messages: Sequence[Message]
    template: str | None = None
    variables: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    prefill: str = ""
    tools: Sequence[Tool] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model will read it.

    Attributes:
        token_ids: its tokens.
        tail: its text from the last special token on: the opening of the turn to be written.
    """

    token_ids: Sequence[int]
    tail: str


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
class Generation:
    """One prompt to go on from, `sampling.n` times.

    Attributes:
        request_id: unique among all that the engine has ever been given.
        prompt: where to go on from.
        sampling: how.
        incremental: deltas as they come; otherwise each choice comes whole, when all are done.
        special_tokens: write special tokens out, for families whose tags are special tokens.
    """

    request_id: str
    prompt: Prompt
    sampling: Sampling
    incremental: bool
    special_tokens: bool = False


@dataclass(slots=True)
class Delta:
    """What one choice has gained. Not frozen: one is made for every token.

    Attributes:
        index: the choice, from 0.
        text: its new text; may be empty.
        token_ids: its new tokens.
        finish_reason: set on the choice's last delta.
        cached_tokens: how many of the prompt's tokens came from the prefix cache.
        queue_seconds: time spent waiting to be scheduled, once known.
        first_token_seconds: time from arrival to the first token, once known.
    """

    index: int
    text: str
    token_ids: Sequence[int]
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0
    queue_seconds: float | None = None
    first_token_seconds: float | None = None


class Engine(Protocol):
    """What the gateway needs of an engine; tests fake it."""

    @property
    def version(self) -> str:
        """vLLM's version."""

    @property
    def max_model_len(self) -> int:
        """The context, prompt and reply together, in tokens."""

    @property
    def max_num_seqs(self) -> int:
        """How many sequences run at once."""

    @property
    def dead(self) -> bool:
        """Whether the engine process is gone."""

    @property
    def orphans(self) -> int:
        """Requests that the engine still holds though nobody waits for them."""

    @property
    def unfinished(self) -> int:
        """Requests that the engine holds."""

    def template_source(self, name: str | None) -> str:
        """The Jinja source of a configured chat template, or of the model's own; '' if none."""

    def is_special(self, token: str) -> bool:
        """Whether `token` is a special token, left out of text unless asked for."""

    async def render_chat(self, chat: ChatInput) -> Prompt:
        """Render a conversation.

        Raises:
            PromptTooLong: it leaves no room for a reply.
            BadGeneration: the chat template refuses it.
        """

    async def render_text(self, prompt: str | Sequence[int]) -> Prompt:
        """Tokenize a prompt, or take its token ids as they are.

        Raises:
            PromptTooLong: it leaves no room for a reply.
            BadGeneration: it is empty, or has ids that the model does not know.
        """

    def submit(self, generation: Generation) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Have `generation` accepted; on leaving, whatever is left of it is aborted.

        Raises:
            CallerError: on entry, the engine refuses it.
            ServerFault: on entry or while iterating.
        """

    def text_ends(
        self, before: Sequence[int], token_ids: Sequence[int], *, special_tokens: bool
    ) -> Sequence[int]:
        """For each of `token_ids`, how many characters of text are written with it.

        Args:
            before: the tokens before, for a character may begin in one of them.
            token_ids: the tokens; counting begins with their text.
            special_tokens: as the generation had it, whether special tokens are written out.
        """

    def tool_calls(self, text: str) -> Sequence[ToolCall]:
        """The calls that the model wrote, each with an id of its own; none if `text` is not sound.

        Args:
            text: the end of an answer, from the first mark of a call on.
        """

    def stop_all(self) -> None:
        """Make every open request fail with `EngineStopping`."""
