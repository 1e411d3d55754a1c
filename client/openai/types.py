"""The clients' vocabulary: what is asked, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: `system`, `user` or `assistant`.
        content: what was said, without thinking.
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request: a chat if there are messages, else a completion of the prompt.

    Attributes:
        messages: the conversation; empty for a completion.
        prompt: the text or the token ids to be completed.
        max_tokens: at most so many are generated; None leaves it to the server.
        thinking: False asks the model not to think, in every dialect that the server takes; True
            asks it to; None says nothing.
        stream: whether pieces come one by one.
        fields: further fields of the body under OpenAI's or vLLM's names: temperature, top_p, seed…
    """

    messages: tuple[Message, ...] = ()
    prompt: str | Sequence[int] = ""
    max_tokens: int | None = None
    thinking: bool | None = None
    stream: bool = True
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts, as the server has them; reasoning tokens are part of the completion tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a reply.

    Attributes:
        at: when its last byte was read, on `time.perf_counter`, in seconds.
        thinking: what was thought, without tags.
        answer: what was said.
        finish_reason: `stop`, `length`… on the last piece with content.
        usage: token counts, on the last piece of all.
        token: whether something was generated, text or not: half a character and the end of a reply
            are tokens too. A role alone is not.
    """

    at: float
    thinking: str = ""
    answer: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    token: bool = False
