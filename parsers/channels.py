"""Splits a reply that is written as messages on channels: gpt-oss's harmony format.

How it works
------------
A reply is a row of messages: `<|start|>assistant<|channel|>analysis<|message|>…<|end|>`. Two
states take turns, as in OpenAI's own parser.

- In a header, all is held back until `<|message|>`, which tells what the message is: `analysis` is
  thinking, `final` is answer, so is `commentary` without a recipient (a preamble to a call), and
  what goes to `functions.NAME` is a call, on any channel, whichever side of the channel the
  recipient stands on. Every other channel or recipient (`python`, `browser.search`) is thinking.
- In a message all is its text until `<|end|>`, `<|call|>` or `<|return|>`. Other marks there are
  written about. So is an end mark right before a quote, a backtick or a backslash: behind a real
  one comes a header or nothing.

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

import re
from collections.abc import Sequence
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

_LONGEST_HEADER = 512
"""In characters; OpenAI's longest function name makes a header of about 150."""
_QUOTES = frozenset("`\"'\\")
_WORD = re.compile(r"\s*[^\s<]*\s*")

_Kind = Literal["thinking", "answer", "call"]
_TEXTS: dict[_Kind, type[Thinking | Answer | ToolCallArguments]] = {
    "thinking": Thinking,
    "answer": Answer,
    "call": ToolCallArguments,
}
_Step = tuple[int, bool]
"""Where to go on in the text that is read, and whether more of it is waited for there."""


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
        self._any = _pattern(marks.literals)
        self._header_borders = _pattern((marks.start, marks.message, *marks.ends))
        self._message_borders = _pattern(marks.ends)
        self._loose_borders = _pattern((marks.start, marks.channel, *marks.ends))
        self._starts = frozenset(mark[0] for mark in marks.literals)
        self._reach = max(map(len, marks.literals)) - 1
        # What is undecided: in a header all of it so far, what the prompt wrote included.
        self._held = ""
        self._at = 0  # where that stands in the reply; negative where it began in the prompt
        self._searched = 0  # how much of a header was looked through
        self._kind: _Kind | None = "thinking" if assumed else "answer"  # None: in a header
        self._borders = self._loose_borders  # what ends the text that we are in
        self._read_prompt(tail)

    @property
    def thinking(self) -> bool:
        return self._kind == "thinking"

    @property
    def position(self) -> int:
        return max(0, self._at)

    def feed(self, text: str) -> list[Event]:
        events: list[Event] = []
        if self._kind and not self._held and self._starts.isdisjoint(text):
            self._give(self._kind, text, self._at, events)
            self._at += len(text)
        else:
            self._read(text, events, final=False)
        return events

    def finish(self) -> list[Event]:
        events: list[Event] = []
        self._read("", events, final=True)
        if self._kind == "call":
            self._close(self._at, self._at, events)
        return events

    def _read_prompt(self, tail: str) -> None:
        found = self._any.search(tail)
        if not found:
            return
        places = (tail.rfind(mark) for mark in (self._marks.start, self._marks.channel))
        begin = next((place for place in places if place >= 0), found.start())
        self._at = begin - len(tail)
        self._kind = None
        self._read(tail[begin:], [], final=False)
        if self._kind:  # in a message an end mark is real, and the beginning of one is text
            self._read("", [], final=True)

    def _read(self, text: str, events: list[Event], *, final: bool) -> None:
        text = self._held + text
        place, waiting = 0, False
        while not waiting:
            step = self._message if self._kind else self._header
            place, waiting = step(text, place, events, final=final)
        self._held = text[place:]
        self._at += place

    def _message(self, text: str, place: int, events: list[Event], *, final: bool) -> _Step:
        """Go on in a message's text at `place`."""
        kind = self._kind or "thinking"
        found = self._borders.search(text, place)
        if not found:
            end = len(text) - (0 if final else self._pending(text, place))
            self._give(kind, text[place:end], self._at + place, events)
            return end, True
        start, end = found.span()
        undecided = end == len(text) and not final
        quoted = text[end : end + 1] in _QUOTES
        self._give(kind, text[place : end if quoted else start], self._at + place, events)
        if undecided or quoted:
            return (start, True) if undecided else (end, False)
        if found.group() not in self._marks.ends:
            end = start  # the mark is the next header's
        self._close(self._at + start, self._at + end, events)
        self._kind, self._searched = None, 0
        return end, False

    def _header(self, text: str, place: int, events: list[Event], *, final: bool) -> _Step:
        """Go on in the header that begins at `place`."""
        found = self._header_borders.search(text, place + self._searched)
        end = found.start() if found else len(text) - self._pending(text, place)
        if end - place > _LONGEST_HEADER:
            return self._too_long(text, place, events), False
        if not found:
            self._searched = end - place
            if final:
                self._cut_off(text[place:end], place, events)
            return (len(text) if final else place), True
        if found.group() == self._marks.message:
            self._open(text[place:end], place, found.end(), events)
            return found.end(), False
        self._cut_off(text[place:end], place, events)
        if found.group() == self._marks.start:
            self._searched = len(self._marks.start)
            return end, False
        self._searched = 0
        return found.end(), False

    def _open(self, header: str, start: int, end: int, events: list[Event]) -> None:
        """A message begins, whose header stands from `start` to `end` in what is read."""
        said = self._header_of(header)
        function = said.function if self._tools else ""
        self._kind = "call" if function else "answer" if said.answers else "thinking"
        self._borders = self._message_borders
        span = max(0, self._at + start), max(0, self._at + end)
        if self._kind == "call":
            events.append(ToolCallStart(function, *span))
        elif self._kind == "thinking":
            events.append(ThinkingStart(*span))

    def _too_long(self, text: str, place: int, events: list[Event]) -> int:
        """What begins at `place` is no header: return where its text begins."""
        header = text[place : place + _LONGEST_HEADER]
        if final := self._final_text(header):
            self._kind, self._borders = "answer", self._message_borders
            return place + final
        marks = [found.end() for found in self._any.finditer(header)]
        begin = place + (marks[-1] if marks else 0)
        self._kind, self._borders = "thinking", self._loose_borders
        start, end = max(0, self._at + place), max(0, self._at + begin)
        events.append(ThinkingStart(start, end))
        return begin

    def _cut_off(self, header: str, place: int, events: list[Event]) -> None:
        """The header at `place` is over before its message began."""
        if final := self._final_text(header):
            self._give("answer", header[final:], self._at + place + final, events)

    def _final_text(self, header: str) -> int:
        """Where the text in a `final` begins whose `<|message|>` is missing; 0 if it is none."""
        if not self._header_of(header).is_final:
            return 0
        mark = list(self._any.finditer(header))[-1]
        word = _WORD.match(header, mark.end())  # the channel, or what follows `<|constrain|>`
        return word.end() if word else 0

    def _header_of(self, text: str) -> Header:
        return read_header(text, start=self._marks.start, channel=self._marks.channel)

    def _close(self, start: int, end: int, events: list[Event]) -> None:
        start, end = max(0, start), max(0, end)
        if self._kind == "thinking":
            events.append(ThinkingEnd(start, end))
        elif self._kind == "call":
            events.append(ToolCallEnd(start, end))

    def _give(self, kind: _Kind, text: str, at: int, events: list[Event]) -> None:
        if at < 0:
            text, at = text[-at:], 0
        if text:
            events.append(_TEXTS[kind](text, at, at + len(text)))

    def _pending(self, text: str, place: int) -> int:
        """How many characters at the end, from `place` on, may be the beginning of a mark."""
        for length in range(min(self._reach, len(text) - place), 0, -1):
            suffix = text[-length:]
            if suffix[0] in self._starts and any(
                mark.startswith(suffix) for mark in self._marks.literals
            ):
                return length
        return 0


def _pattern(marks: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, marks)))
