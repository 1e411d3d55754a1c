"""One request's replies, one a choice, and what they cost together."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.types import Delta, Prompt
from gateway.reply import Piece, Reply, ReplySettings


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as OpenAI counts them: `reasoning_tokens` are among `completion_tokens`."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int


class Exchange:
    """Feeds each delta to its choice and keeps the accounts.

    Args:
        prompts: the prompts, each with `n` choices; choice `p * n + i` is prompt p's i-th.
        settings: one a prompt.
        n: choices a prompt.

    Attributes:
        replies: one a choice.
        ends: the engine's last delta of each choice that it finished itself.
    """

    def __init__(
        self, prompts: Sequence[Prompt], settings: Sequence[ReplySettings], n: int
    ) -> None:
        self.replies = [Reply(each) for each in settings for _ in range(n)]
        self.ends: list[Delta] = []
        self._n = n
        self._prompt_tokens = sum(len(prompt.token_ids) for prompt in prompts)
        self._cached = [0] * len(prompts)
        self._open = len(self.replies)

    @property
    def done(self) -> bool:
        """Whether every choice is over."""
        return self._open == 0

    def feed(self, delta: Delta) -> Piece:
        """Take a delta; return what it adds to its choice."""
        reply = self.replies[delta.index]
        was_open = reply.finish_reason is None
        piece = reply.feed(delta)
        if was_open and reply.finish_reason:
            self._open -= 1
        self._cached[delta.index // self._n] = delta.cached_tokens
        if delta.finish_reason:
            self.ends.append(delta)
        return piece

    def usage(self) -> Usage:
        """The accounts so far."""
        return Usage(
            prompt_tokens=self._prompt_tokens,
            cached_tokens=sum(self._cached),
            completion_tokens=sum(reply.completion_tokens for reply in self.replies),
            reasoning_tokens=sum(reply.reasoning_tokens for reply in self.replies),
        )
