"""One question with its thinking and its answer, and the split into training and evaluation."""

from dataclasses import dataclass
from typing import Any, Literal

from tools.demo_model.phrases import is_kept

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Task:
    """One question.

    Attributes:
        skill: what it takes, such as `add`.
        language: of the question, and so of the reply.
        key: what is asked, whatever the wording; the split goes by it.
        ask: the user's message.
        think: what to think.
        answer: what to say.
        value: the answer as JSON has it.
        tools: what the request offers.
        turns: what came after the user's message: a tool call and its result.
    """

    skill: str
    language: Language
    key: str
    ask: str
    think: str
    answer: str
    value: object = None
    tools: tuple[dict[str, Any], ...] = ()
    turns: tuple[dict[str, Any], ...] = ()

    @property
    def kept(self) -> bool:
        """Whether it is kept for evaluation, by what is asked; training has neither."""
        return is_kept(self.key, 32)

    @property
    def kept_wording(self) -> bool:
        """Whether its words are kept for evaluation, whatever is asked."""
        return is_kept(self.ask, 8)
