"""The fields by which vendors' clients speak of thinking; what they mean is wish.py's business."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Budget = Annotated[int, Meta(ge=-1, le=2**31 - 1)]


class ReasoningField(msgspec.Struct, frozen=True):
    """OpenRouter's `reasoning` object."""

    effort: str | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    max_tokens: Budget | None = None


class ThinkingField(msgspec.Struct, frozen=True):
    """DeepSeek's and Anthropic's `thinking` object."""

    type: str | None = None
    budget_tokens: Budget | None = None


class ThinkingFields(msgspec.Struct, frozen=True, kw_only=True):
    """What every generating route's body may say about thinking."""

    reasoning_format: str | None = None
    include_reasoning: bool | None = None
    separate_reasoning: bool | None = None
    reasoning: ReasoningField | None = None
    reasoning_effort: str | None = None
    enable_thinking: bool | None = None
    think: bool | str | None = None
    thinking: ThinkingField | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    thinking_token_budget: Budget | None = None
    thinking_budget: Budget | None = None
    reasoning_budget: Budget | None = None

    def last_word(self) -> str:
        """The last word of the last user message, which may be a soft switch; '' if none."""
        return ""
