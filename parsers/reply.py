"""What every reply parser keeps, and what a family's row needs to know of its marks.

A reply parser turns one reply, which arrives in pieces of any size, into events. Those who use one
never ask which family it is of. To add a way of marking, write its `Marks` and its parser into a
file of their own and name the marks in a row of `families.py`. Keep this:

- The events depend on the text, never on how it was cut: joined by `merge`, they are the same.
- Spans are in order, never overlap, and carry the text that they span (see `events.py`).
- What is held back is bounded, and nothing is scanned again but that: work is linear in the text.
- When in doubt, text is thinking: an answer lost is better than thinking that leaks. What is
  unfinished when the reply ends is text of the side that it was on, or a mark and dropped.
- A think block that the reply's end cuts off gets no `ThinkingEnd`, and `thinking` stays true: it
  ran out of tokens. A call gets its `ToolCallEnd`, since the token that ends a call is a stop token
  and never part of the text.

What is still to come has its place here. Marks that are single tokens are known from
`TokenOffsets` and the engine (`Marks.literals` are what to look up): `feed` will take their places
beside the text, and only a parser's own search for marks changes. A forced tool call begins in the
prompt: it primes the parser through the prompt's tail, as a template does that opens a block.
"""

from typing import Protocol

from parsers.events import Event


class ReplyParser(Protocol):
    """Parses one reply."""

    def feed(self, text: str) -> list[Event]:
        """Take the next text as generated, possibly empty; return what is decided by now."""
        ...

    def finish(self) -> list[Event]:
        """The reply is over: return what was held back."""
        ...

    @property
    def position(self) -> int:
        """How many characters of the text as generated are decided.

        All before has been given out or dropped for good: no later event starts before.
        """
        ...

    @property
    def thinking(self) -> bool:
        """Whether what was decided last is thinking.

        Before any text: whether the reply begins inside a think block.
        """
        ...


class Marks(Protocol):
    """One family's marks, and what follows from the way in which they mark."""

    @property
    def literals(self) -> tuple[str, ...]:
        """All of them, as literal text."""
        ...

    @property
    def inside_turn(self) -> tuple[str, ...]:
        """Those that may stand inside a turn, so that its beginning is not to be taken for one."""
        ...

    @property
    def closing(self) -> str:
        """The mark that ends thinking."""
        ...

    @property
    def end_thinking(self) -> str:
        """What closes an open think block, so that the answer follows."""
        ...

    @property
    def empty_block(self) -> str:
        """The think block that keeps a model from thinking when the prompt ends with it."""
        ...

    def mentioned(self, template: str) -> bool:
        """Whether a chat template, as Jinja source, shows that its model marks so."""
        ...

    def writes_calls(self, template: str) -> bool:
        """Whether a template tells its model to write calls that these marks delimit."""
        ...

    def starts_in_thinking(self, tail: str, *, assumed: bool) -> bool:
        """Whether the reply begins with thinking (see `Family.starts_in_thinking`)."""
        ...

    def parser(self, tail: str, *, assumed: bool, tools: bool, tool_mark: str) -> ReplyParser:
        """The parser of one reply (see `Family.parser`).

        Args:
            tail: the prompt's text after its last turn boundary.
            assumed: whether the reply begins with thinking where the tail does not tell.
            tools: read the calls that these marks delimit.
            tool_mark: where tool calls begin in the answer; '' if they are not to be told from it.
        """
        ...
