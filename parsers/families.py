"""How model families mark their thinking and their tool calls: one row a family.

The rows were collected from chat templates and from the parsers of vLLM 0.33 and SGLang.
"""

from dataclasses import dataclass
from typing import Literal

from parsers.channels import ChannelMarks
from parsers.reply import Marks, ReplyParser
from parsers.tagged import TaggedParser, TagMarks


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    Attributes:
        name: what `[thinking] format` calls it.
        marks: its marks, and with them its parser; None for a family that does not think.
        opener: who writes the opening mark: the model, unless the prompt's tail shows that the
            template did; or nobody, and the reply begins with thinking all the same.
        switches: template variables that switch thinking, tried in this order.
        tool_mark: where tool calls begin in the answer; '' where the marks delimit calls, too.
        tool_parser: vLLM's name for the parser that reads them from there on; '' likewise.
    """

    name: str
    marks: Marks | None
    opener: Literal["model", "nobody"] = "model"
    switches: tuple[str, ...] = ("enable_thinking", "thinking")
    tool_mark: str = "<tool_call>"
    tool_parser: str = "hermes"

    @property
    def mark_literals(self) -> tuple[str, ...]:
        """All marks as literal text, so that the engine can look them up as tokens."""
        return self.marks.literals if self.marks else ()

    @property
    def inside_turn(self) -> tuple[str, ...]:
        """Marks that may stand inside a turn, so that none of them is its beginning."""
        return self.marks.inside_turn if self.marks else ()

    @property
    def closing(self) -> str:
        """The mark that ends thinking; '' for a family that does not think."""
        return self.marks.closing if self.marks else ""

    @property
    def thinks(self) -> bool:
        """Whether its models think at all."""
        return self.marks is not None

    @property
    def end_thinking(self) -> str:
        """What closes an open think block, so that the answer follows."""
        return self.marks.end_thinking if self.marks else ""

    @property
    def empty_block(self) -> str:
        """The think block that keeps a model from thinking when the prompt ends with it."""
        return self.marks.empty_block if self.marks else ""

    def writes_calls(self, template: str) -> bool:
        """Whether a chat template, as Jinja source, tells its model to write calls this way."""
        if self.tool_mark:
            return self.tool_mark in template and "arguments" in template
        return self.marks is not None and self.marks.writes_calls(template)

    def starts_in_thinking(self, tail: str, *, assumed: bool) -> bool:
        """Whether the reply to a prompt begins with thinking.

        Args:
            tail: the prompt's text after its last turn boundary. What stands before, history and
                user text included, may quote marks and decides nothing (vllm issues 32490, 36224).
            assumed: the verdict where the tail has no mark.
        """
        return self.marks is not None and self.marks.starts_in_thinking(tail, assumed=assumed)

    def parser(self, tail: str, *, assumed: bool = False, tools: bool = False) -> ReplyParser:
        """The parser of one reply.

        Args:
            tail: see `starts_in_thinking`.
            assumed: likewise.
            tools: tell tool calls from the answer; without it they are answer.
        """
        tool_mark = self.tool_mark if tools else ""
        if self.marks is None:
            return TaggedParser(None, thinking=False, tool_mark=tool_mark)
        return self.marks.parser(tail, assumed=assumed, tools=tools, tool_mark=tool_mark)


_ROWS = (
    # Does not think: everything is answer.
    Family("none", None, switches=()),
    # Qwen3, QwQ, DeepSeek-V3.1, GLM-4.5, Nemotron 3, …: opened by the model or by the template.
    Family("think", TagMarks("<think>", "</think>")),
    # DeepSeek-R1: neither the template nor the model writes the opening tag.
    Family("deepseek_r1", TagMarks("<think>", "</think>"), opener="nobody"),
    # Models tuned to mark thinking with pipes.
    Family("thinking", TagMarks("<|thinking|>", "<|/thinking|>")),
    # gpt-oss: channels. Its effort is low at the least, no variable switches it off.
    Family("gpt_oss", ChannelMarks(), switches=(), tool_mark="", tool_parser=""),
)

FAMILIES = {row.name: row for row in _ROWS}
"""Every family by name; not to be changed."""


def detect(template: str) -> Family:
    """The family whose marks a chat template's source mentions, else the one called `think`.

    A template without marks says nothing about the model: looking for `<think>` costs nothing
    where it never comes.
    """
    for row in _ROWS:
        if row.marks and row.marks.mentioned(template):
            return row
    return FAMILIES["think"]
