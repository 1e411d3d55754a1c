"""What is asked of the process and what it says: a `Job` on stdin, JSON lines on stdout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from engine.errors import EngineError


class Refusal(EngineError):
    """The job can't be done; the text says why."""


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    content: str


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A conversation to go on from, by at most `max_tokens` tokens."""

    messages: list[Turn]
    max_tokens: int


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to run.

    Attributes:
        engine: which one.
        questions: asked one after another.
        speculative: where drafts come from; empty for none.
        num_speculative_tokens: how many tokens a draft has at most.
        model: a folder or hub id; empty for the demo model.
        draft: the draft model's, likewise.
        arguments: vLLM's engine arguments; transformers heeds `dtype` and `max_model_len`.
    """

    engine: Literal["vllm", "transformers"]
    questions: list[Question]
    speculative: Literal["", "draft_model", "ngram"] = ""
    num_speculative_tokens: int = 3
    model: str = ""
    draft: str = ""
    arguments: dict[str, int | float | bool | str] = {}


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The engine is loaded and warm.

    Attributes:
        version: the engine's.
        device: what it runs on, such as `cpu`.
        seconds: what that took.
    """

    version: str
    device: str
    seconds: float


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """One reply.

    Attributes:
        prompt_tokens: how long the prompt was.
        token_ids: what was generated, the end of the turn included.
        times: when each output came, in seconds from when the prompt was handed over; with drafts
            an output has several tokens.
    """

    prompt_tokens: int
    token_ids: list[int]
    times: list[float]


class Drafts(msgspec.Struct, frozen=True):
    """How drafts fared.

    Attributes:
        count: how many there were.
        tokens: how many tokens they had.
        accepted: how many of those the model accepted.
        accepted_at: how many at each position, the first first.
    """

    count: int
    tokens: int
    accepted: int
    accepted_at: list[int]

    def since(self, before: "Drafts") -> "Drafts":
        """Return what came after `before`."""
        at = zip(self.accepted_at, before.accepted_at, strict=True)
        return Drafts(
            self.count - before.count,
            self.tokens - before.tokens,
            self.accepted - before.accepted,
            [now - then for now, then in at],
        )


class Done(msgspec.Struct, frozen=True, tag="done"):
    """All questions are answered, in so many seconds; `drafts` is null where none were counted."""

    seconds: float
    drafts: Drafts | None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Nothing more will come."""

    message: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What an engine generated: its tokens, and when its outputs came, as in `Answer`."""

    token_ids: list[int]
    times: list[float]


class Runner(Protocol):
    """A running engine. It decodes greedily, one prompt at a time.

    Attributes:
        version: the engine's.
        device: what it runs on.
    """

    version: str
    device: str

    async def answer(self, prompt: Sequence[int], max_tokens: int) -> Reply:
        """Go on from a prompt, by at most `max_tokens` tokens.

        Raises:
            EngineError: it can't.
        """

    async def drafts(self) -> Drafts | None:
        """Return how all drafts so far have fared; None where there are none, or none counted."""
