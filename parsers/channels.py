"""Splits a reply that is written as messages on channels: gpt-oss's harmony format.

How it works
------------
A reply is a row of messages: `<|start|>assistant<|channel|>analysis<|message|>…<|end|>`. It is cut
at its marks by `TagSplitter`; two states take turns with the pieces, as in OpenAI's own parser.

- In a header, all is held back until `<|message|>`, which tells what the message is: `analysis` is
  thinking, `final` is answer, so is `commentary` without a recipient (a preamble to a call), and
  what goes to `functions.NAME` is a call, on any channel, whichever side of the channel the
  recipient stands on. Every other channel or recipient (`python`, `browser.search`) is thinking.
- In a message all is its text until `<|end|>`, `<|call|>` or `<|return|>`. Other marks there are
  written about: thinking that quotes a header must not open an answer. So is an end mark right
  before a quote, a backtick or a backslash, since behind a real one comes a header or nothing.
  Code spans don't tell: a thought may leave one open, and an answer begins on the same line.

The reply goes on where the prompt stopped, mostly behind `<|start|>assistant`, so the prompt's tail
is read first by the same machine, and its events are dropped. A prompt without marks is a text to
go on with: the reply is answer there, until `<|start|>` or `<|channel|>` begins a message.

gpt-oss does not always keep to the format. A header that is broken never makes an answer, but for
two shapes: a message without a channel, as models write it that were tuned without (vllm counts it
as neither), and a `final` whose `<|message|>` is missing (vllm issue 45736). A header that gets too
long is none: it is thinking until a message begins. Marks between messages are dropped (vllm issue
50690), and a header that another mark or the end of the reply cuts off is dropped with them.

Where no tool calls are wanted, a call's arguments are text of its channel, in `commentary` answer:
nobody asked to have calls read, and without it a reply would have tokens and no content.
"""

from dataclasses import dataclass
from typing import Literal

from parsers.events import (
    Answer,
    Event,
    Thinking,
    ThinkingEnd,
    ThinkingStart,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)
from parsers.headers import Header, read_header
from parsers.tags import TagSplitter

_LONGEST_HEADER = 512
"""In characters; OpenAI's longest function name makes a header of about 150."""
_QUOTES = frozenset("`\"'\\")

_Kind = Literal["thinking", "answer", "call"]
_TEXTS: dict[_Kind, type[Thinking | Answer | ToolCallArguments]] = {
    "thinking": Thinking,
    "answer": Answer,
    "call": ToolCallArguments,
}


@dataclass(frozen=True, slots=True)
class ChannelMarks:
    """Harmony's marks (see `parsers.reply.Marks`)."""

    start: str = "<|start|>"
    channel: str = "<|channel|>"
    constrain: str = "<|constrain|>"
    message: str = "<|message|>"
    ends: tuple[str, ...] = ("<|end|>", "<|call|>", "<|return|>")

    @property
    def literals(self) -> tuple[str, ...]:
        return (self.start, self.channel, self.constrain, self.message, *self.ends)

    @property
    def inside_turn(self) -> tuple[str, ...]:
        return (self.channel, self.constrain, self.message)

    @property
    def closing(self) -> str:
        return self.ends[0]

    @property
    def end_thinking(self) -> str:
        return f"{self.ends[0]}{self.start}assistant{self.channel}final{self.message}"

    @property
    def empty_block(self) -> str:
        """Begins where templates stop, behind `<|start|>assistant`, and leaves the answer alone:
        a model that goes on from here can't call a tool."""
        return f"{self.channel}analysis{self.message}{self.end_thinking}"

    def mentioned(self, template: str) -> bool:
        """By the marks that others don't have: `<|end|>` is Phi's, too."""
        return self.channel in template and self.message in template

    def writes_calls(self, template: str) -> bool:
        return self.channel in template and "functions." in template

    def starts_in_thinking(self, tail: str, *, assumed: bool) -> bool:
        return ChannelParser(self, tail, assumed=assumed, tools=False).thinking

    def parser(self, tail: str, *, assumed: bool, tools: bool, tool_mark: str) -> "ChannelParser":
        return ChannelParser(self, tail, assumed=assumed, tools=tools)


class ChannelParser:
    """Parses one reply (see `parsers.reply.ReplyParser`).

    Args:
        marks: the marks to look for.
        tail: the prompt's text, from its last message's `<|start|>` on at least.
        assumed: whether the reply to a prompt without marks is thinking.
        tools: tell calls from the answer.
    """

    def __init__(self, marks: ChannelMarks, tail: str, *, assumed: bool, tools: bool) -> None:
        self._marks = marks
        self._tools = tools
        self._splitter = TagSplitter(marks.literals, code_spans=False)
        self._at = 0  # where the next piece stands; negative while it is the prompt's
        self._kind: _Kind | None = "thinking" if assumed else "answer"  # None: in a header
        self._loose = True  # in text that no header began, so that the next message may just begin
        self._end = ""  # an end mark, until what follows tells whether it is written about
        self._header = ""
        self._read_prompt(tail)

    @property
    def thinking(self) -> bool:
        return self._kind == "thinking"

    @property
    def position(self) -> int:
        return max(0, self._at - len(self._end) - len(self._header))

    def feed(self, text: str) -> list[Event]:
        events: list[Event] = []
        for piece, is_mark in self._splitter.feed(text):
            self._take(piece, is_mark, events)
        return events

    def finish(self) -> list[Event]:
        events: list[Event] = []
        for piece, _ in self._splitter.finish():  # the beginning of a mark
            if self._kind:
                self._take_text(piece, events)
            else:
                self._drop_header(events)
                self._at += len(piece)
        self._settle_end(events)
        self._drop_header(events)
        if self._kind == "call":
            self._close(self._at, events)
        return events

    def _read_prompt(self, tail: str) -> None:
        found = [tail.rfind(mark) for mark in (self._marks.start, self._marks.channel)]
        found += sorted(tail.find(mark) for mark in self._marks.literals)
        begin = next((place for place in found if place >= 0), None)
        if begin is None:
            return
        self._at = begin - len(tail)
        self._kind = None
        self.feed(tail[begin:])
        self._settle_end([])
        if self._kind:  # a mark goes on in the reply in a header alone
            for piece, _ in self._splitter.finish():
                self._at += len(piece)

    def _take(self, piece: str, is_mark: bool, events: list[Event]) -> None:
        if is_mark:
            self._take_mark(piece, events)
        else:
            self._take_text(piece, events)

    def _take_text(self, text: str, events: list[Event]) -> None:
        if self._kind and self._end and text[0] in _QUOTES:
            self._give(self._kind, self._end, self._at - len(self._end), events)
            self._end = ""
        self._settle_end(events)
        self._at += len(text)
        if self._kind:
            self._give(self._kind, text, self._at - len(text), events)
        else:
            self._header += text
            if len(self._header) > _LONGEST_HEADER:
                self._give_up_header(events)

    def _take_mark(self, mark: str, events: list[Event]) -> None:
        self._settle_end(events)
        if self._kind and self._loose and mark in (self._marks.start, self._marks.channel):
            self._close(self._at, events)
        if self._kind is None:
            self._take_mark_of_header(mark, events)
        elif mark in self._marks.ends:
            self._at += len(mark)
            self._end = mark
        else:
            self._at += len(mark)
            self._give(self._kind, mark, self._at - len(mark), events)

    def _take_mark_of_header(self, mark: str, events: list[Event]) -> None:
        if mark in self._marks.ends:
            self._drop_header(events)
            self._at += len(mark)
        elif mark == self._marks.message:
            self._at += len(mark)
            self._open(mark, events)
        else:
            if mark == self._marks.start:
                self._drop_header(events)
            elif len(self._header) + len(mark) > _LONGEST_HEADER:
                self._give_up_header(events)
                return self._take_mark(mark, events)
            self._at += len(mark)
            self._header += mark

    def _open(self, mark: str, events: list[Event]) -> None:
        """A message begins: its header ends with `mark`."""
        header = self._read_header()
        function = header.function if self._tools else ""
        self._kind = "call" if function else "answer" if header.answers else "thinking"
        self._loose = False
        start = self._at - len(self._header) - len(mark)
        self._header = ""
        if self._kind == "call":
            events.append(ToolCallStart(function, *self._span(start, self._at)))
        elif self._kind == "thinking":
            events.append(ThinkingStart(*self._span(start, self._at)))

    def _drop_header(self, events: list[Event]) -> None:
        """The header is over before its message began."""
        header = self._read_header()
        text = self._header[header.length :] if header.is_final else ""
        self._header = ""
        self._give("answer", text, self._at - len(text), events)

    def _give_up_header(self, events: list[Event]) -> None:
        """The header is too long for one: what stands in it is text."""
        header, start = self._read_header(), self._at - len(self._header)
        self._kind = "answer" if header.is_final else "thinking"
        self._loose = not header.is_final
        text, self._header = self._header[header.length :], ""
        if self._kind == "thinking":
            events.append(ThinkingStart(*self._span(start, start + header.length)))
        self._give(self._kind, text, start + header.length, events)

    def _read_header(self) -> Header:
        return read_header(
            self._header[:_LONGEST_HEADER],
            start=self._marks.start,
            channel=self._marks.channel,
            constrain=self._marks.constrain,
        )

    def _settle_end(self, events: list[Event]) -> None:
        """The end mark that was last, if one was, is one."""
        if self._end:
            self._close(self._at - len(self._end), events)
            self._end = ""

    def _close(self, start: int, events: list[Event]) -> None:
        """The message is over; what ended it stands from `start` to where we are."""
        if self._kind == "thinking":
            events.append(ThinkingEnd(*self._span(start, self._at)))
        elif self._kind == "call":
            events.append(ToolCallEnd(*self._span(start, self._at)))
        self._kind = None

    def _give(self, kind: _Kind, text: str, at: int, events: list[Event]) -> None:
        if at < 0:
            text, at = text[-at:], 0
        if text:
            events.append(_TEXTS[kind](text, at, at + len(text)))

    def _span(self, start: int, end: int) -> tuple[int, int]:
        """Of the reply's text: what the prompt wrote is none of it."""
        return max(0, start), max(0, end)
