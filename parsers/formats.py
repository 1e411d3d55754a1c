"""How model families mark their thinking: one row a family.

The rows were collected from chat templates and from the parsers of vLLM 0.33 and SGLang.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThinkingFormat:
    """One family's marks.

    Attributes:
        name: what `[thinking] format` calls it.
        open: the opening tag; empty for a family that does not think.
        close: the closing tag.
        starts_inside: the model begins with thinking though nobody writes the opening tag.
        switches: template variables that switch thinking, tried in this order.
    """

    name: str
    open: str
    close: str
    starts_inside: bool = False
    switches: tuple[str, ...] = ("enable_thinking", "thinking")

    @property
    def tags(self) -> tuple[str, ...]:
        """Both tags, or none."""
        return (self.open, self.close) if self.open else ()

    @property
    def empty_block(self) -> str:
        """The block that keeps a model from thinking when the prompt ends with it."""
        return f"{self.open}\n\n{self.close}\n\n"


_ROWS = (
    # Does not think: everything is answer.
    ThinkingFormat("none", "", "", switches=()),
    # Qwen3, QwQ, DeepSeek-V3.1, GLM-4.5, Nemotron 3, …: by the model or by the template.
    ThinkingFormat("think", "<think>", "</think>"),
    # DeepSeek-R1: neither the template nor the model writes the opening tag.
    ThinkingFormat("deepseek_r1", "<think>", "</think>", starts_inside=True),
    # Models tuned to mark thinking with pipes.
    ThinkingFormat("thinking", "<|thinking|>", "<|/thinking|>"),
)

FORMATS = {row.name: row for row in _ROWS}
"""Every family by name; not to be changed."""


def detect(template: str) -> ThinkingFormat:
    """The family whose tags a chat template's source mentions, else the one called `think`.

    A template without tags says nothing about the model: looking for `<think>` costs nothing
    where it never comes.
    """
    for row in _ROWS:
        if any(tag in template for tag in row.tags):
            return row
    return FORMATS["think"]


def starts_inside(tail: str, family: ThinkingFormat, *, assumed: bool) -> bool:
    """Whether the reply to a prompt begins with thinking.

    Args:
        tail: the prompt's text after its last turn boundary. What stands before, history and
            user text included, may quote tags and decides nothing (vllm issues 32490, 36224).
        family: the model's marks.
        assumed: the verdict where the tail has no tag.
    """
    if not family.open:
        return False
    opened, closed = tail.rfind(family.open), tail.rfind(family.close)
    return assumed if opened == closed == -1 else opened > closed
