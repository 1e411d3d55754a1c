"""Splits a reply whose thinking stands between two literal tags.

How it works
------------
`TagSplitter` finds the tags; this is the state machine behind it, which is either inside a think
block or outside.

- Outside, an opening tag begins a block, at the start of the reply or later. White space before
  a first block belongs to its tag (GLM writes a newline there) and is dropped with it.
- Inside, a closing tag ends the block. An opening tag there is text, unless it is the first thing
  that the model writes: templates that prefill the tag see it repeated.
- The run of newlines right behind a closing tag is dropped; no other text ever is.
- A closing tag outside is dropped: the block that it closed was never opened in this reply.
- What is unfinished at the end is text of the side that it was on.
- What is answer goes on to `CallSplitter`, where tool calls are to be told from it. A think block
  that opens decides what is held back there, so that events stay in order.
"""

from dataclasses import dataclass

from parsers.calls import CallSplitter
from parsers.events import Answer, Event, Thinking, ThinkingEnd, ThinkingStart
from parsers.tags import TagSplitter

_LONGEST_BLANK = 16
"""White space at the start of a reply is held back up to this many characters."""


@dataclass(frozen=True, slots=True)
class TagMarks:
    """An opening and a closing tag (see `parsers.reply.Marks`)."""

    open: str
    close: str

    @property
    def literals(self) -> tuple[str, ...]:
        return (self.open, self.close)

    @property
    def inside_turn(self) -> tuple[str, ...]:
        return self.literals

    @property
    def closing(self) -> str:
        return self.close

    @property
    def end_thinking(self) -> str:
        return f"\n{self.close}\n\n"

    @property
    def empty_block(self) -> str:
        return f"{self.open}\n\n{self.close}\n\n"

    def mentioned(self, template: str) -> bool:
        return self.open in template or self.close in template

    def writes_calls(self, template: str) -> bool:
        """Tags delimit thinking alone."""
        return False

    def starts_in_thinking(self, tail: str, *, assumed: bool) -> bool:
        """The last tag of the tail decides."""
        opened, closed = tail.rfind(self.open), tail.rfind(self.close)
        return assumed if opened == closed == -1 else opened > closed

    def parser(self, tail: str, *, assumed: bool, tools: bool, tool_mark: str) -> "TaggedParser":
        thinking = self.starts_in_thinking(tail, assumed=assumed)
        return TaggedParser(self, thinking=thinking, tool_mark=tool_mark if tools else "")


class TaggedParser:
    """Parses one reply (see `parsers.reply.ReplyParser`).

    Args:
        marks: the tags to look for; None for a family that does not think.
        thinking: the prompt ended inside a think block.
        tool_mark: where tool calls begin in the answer; '' if they are not to be told from it.
    """

    def __init__(self, marks: TagMarks | None, *, thinking: bool, tool_mark: str = "") -> None:
        self._splitter = TagSplitter(marks.literals if marks else ())
        self._close_tag = marks.close if marks else ""
        self._calls = CallSplitter(tool_mark) if tool_mark else None
        self._thinking = thinking
        self._at = 0
        self._fresh = marks is not None
        self._blank = ""
        self._after_close = False

    @property
    def thinking(self) -> bool:
        return self._thinking

    @property
    def position(self) -> int:
        decided = self._at - len(self._blank)
        return self._calls.held_from(decided) if self._calls else decided

    def feed(self, text: str) -> list[Event]:
        events: list[Event] = []
        for piece, is_tag in self._splitter.feed(text):
            self._take(piece, is_tag, events)
        return events

    def finish(self) -> list[Event]:
        events: list[Event] = []
        for piece, is_tag in self._splitter.finish():
            self._take(piece, is_tag, events)
        self._release_blank(self._at, events)
        if self._calls:
            events += self._calls.finish()
        return events

    def _take(self, piece: str, is_tag: bool, events: list[Event]) -> None:
        at = self._at
        self._at += len(piece)
        if is_tag and piece == self._close_tag:
            self._close(at, events)
        elif is_tag and (self._fresh or not self._thinking):
            self._open(at, events)
        elif self._thinking:
            self._fresh = self._fresh and piece.isspace()
            events.append(Thinking(piece, at, self._at))
        else:
            self._answer(piece, at, events)

    def _open(self, at: int, events: list[Event]) -> None:
        if not self._thinking:
            if self._calls:
                events += self._calls.finish()
            events.append(ThinkingStart(at - len(self._blank), self._at))
        self._thinking = True
        self._fresh = self._after_close = False
        self._blank = ""

    def _close(self, at: int, events: list[Event]) -> None:
        self._release_blank(at, events)
        if self._thinking:
            events.append(ThinkingEnd(at, self._at))
        self._thinking = self._fresh = False
        self._after_close = True

    def _answer(self, piece: str, at: int, events: list[Event]) -> None:
        if self._after_close:
            trimmed = piece.lstrip("\r\n")
            at += len(piece) - len(trimmed)
            piece = trimmed
            self._after_close = not piece
        if self._fresh:
            at -= len(self._blank)
            piece = self._blank + piece
            self._blank = ""
            if piece.isspace() and len(piece) <= _LONGEST_BLANK:
                self._blank = piece
                return
            self._fresh = False
        if piece:
            self._give(piece, at, events)

    def _release_blank(self, end: int, events: list[Event]) -> None:
        if self._blank:
            self._give(self._blank, end - len(self._blank), events)
            self._blank = ""

    def _give(self, text: str, at: int, events: list[Event]) -> None:
        if self._calls:
            events += self._calls.feed(text, at)
        else:
            events.append(Answer(text, at, at + len(text)))
