"""One request's choices, and what they cost together."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.types import Delta, Prompt
from gateway.serving.choice import ChoiceState, Piece


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as OpenAI counts them: `reasoning_tokens` are among `completion_tokens`."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int


class RequestState:
    """Feeds each delta to its choice and keeps the accounts.

    Args:
        prompts: the prompts.
        choices: their choices; choice `p * n + i` is prompt p's i-th.
    """

    def __init__(self, prompts: Sequence[Prompt], choices: Sequence[ChoiceState]) -> None:
        self.choices = choices
        self._each = len(choices) // len(prompts)
        self._prompt_tokens = sum(len(prompt.token_ids) for prompt in prompts)
        self._open = len(choices)

    @property
    def done(self) -> bool:
        """Whether every choice is over."""
        return self._open == 0

    def feed(self, delta: Delta) -> Piece:
        """Take a delta of a choice that is not over; return what it adds to it."""
        choice = self.choices[delta.index]
        piece = choice.feed(delta)
        if choice.finish_reason:
            self._open -= 1
        return piece

    def usage(self) -> Usage:
        """The accounts so far; a prompt's first choice says what of it was cached."""
        return Usage(
            prompt_tokens=self._prompt_tokens,
            cached_tokens=sum(choice.cached_tokens for choice in self.choices[:: self._each]),
            completion_tokens=sum(choice.completion_tokens for choice in self.choices),
            reasoning_tokens=sum(choice.reasoning_tokens for choice in self.choices),
        )
