"""OpenAI's JSON: requests to bodies, bodies to structs. Only what the clients look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from client.openai.errors import Refused
from client.openai.types import Request, Usage


class Details(msgspec.Struct, frozen=True):
    """The finer counts, of prompt or completion."""

    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class UsageBody(msgspec.Struct, frozen=True):
    """`usage`."""

    prompt_tokens: int = 0
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None

    def counts(self) -> Usage:
        completion, prompt = self.completion_tokens_details, self.prompt_tokens_details
        return Usage(
            self.prompt_tokens,
            self.completion_tokens or 0,
            (completion and completion.reasoning_tokens) or 0,
            (prompt and prompt.cached_tokens) or 0,
        )


class Said(msgspec.Struct, frozen=True):
    """`message` or `delta`; servers disagree on the name of thinking's field, some send both."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None

    @property
    def thinking(self) -> str:
        return self.reasoning_content or self.reasoning or ""


class ChoiceBody(msgspec.Struct, frozen=True):
    """One of `choices`, of a chat or a completion, whole or streamed."""

    message: Said | None = None
    delta: Said | None = None
    text: str | None = None
    finish_reason: str | None = None

    @property
    def said(self) -> Said:
        """What it says, whatever the route calls it."""
        return self.message or self.delta or Said(content=self.text)


class Problem(msgspec.Struct, frozen=True):
    """`error`."""

    message: str = ""
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to say whether to think.

    Attributes:
        fields: of the body.
        suffix: what is appended to the last user message.
    """

    fields: Mapping[str, object] = field(default_factory=dict)
    suffix: str = ""

    def refused_by(self, error: Refused) -> bool:
        """Whether a refusal is about this way of saying it."""
        words = (*self.fields, *_KWARGS) if self.fields else ()
        return error.status in (400, 422) and any(
            word in f"{error.param} {error.message}" for word in words
        )


class Completion(msgspec.Struct, frozen=True):
    """A response, or a chunk of a streamed one."""

    choices: list[ChoiceBody] = []
    usage: UsageBody | None = None
    error: Problem | None = None


class Model(msgspec.Struct, frozen=True):
    id: str
    max_model_len: int | None = None


class Models(msgspec.Struct, frozen=True):
    """The response of `/models`."""

    data: list[Model] = []


_KWARGS = ("enable_thinking", "thinking")
"""What chat templates call it: Qwen's and most others; DeepSeek's."""


def dialects(thinking: bool | None) -> tuple[Dialect, ...]:
    """Return the ways to say it, to be tried in turn until the server refuses none of its fields.

    vLLM, SGLang, llama.cpp and thinkgate take `chat_template_kwargs`; OpenAI, Ollama and OpenRouter
    take an effort of none; Qwen3 reads the message. There is no effort that only says "think".
    """
    if thinking is None:
        return (Dialect(),)
    kwargs: dict[str, object] = {"chat_template_kwargs": dict.fromkeys(_KWARGS, thinking)}
    if thinking:
        return Dialect(kwargs), Dialect()
    effort: dict[str, object] = {"reasoning_effort": "none"}
    return Dialect(kwargs | effort), Dialect(kwargs), Dialect(effort), Dialect(suffix=" /no_think")


def body_of(request: Request, model: str, dialect: Dialect) -> dict[str, Any]:
    """Return the body of a request to a model, which says in that dialect whether to think."""
    body: dict[str, Any] = {"model": model}
    if request.messages:
        body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
        body["messages"][-1]["content"] += dialect.suffix
    else:
        body["prompt"] = request.prompt
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body | dict(dialect.fields) | dict(request.fields)


def refusal(status: int, body: bytes) -> Refused:
    """Return what an error response says, whatever shape it has."""
    try:
        problem = msgspec.json.decode(body, type=Completion).error
    except msgspec.DecodeError:
        problem = None
    if problem and problem.message:
        return Refused(status, problem.message, problem.param)
    return Refused(status, " ".join(body.decode(errors="replace").split())[:200] or "no reason")
