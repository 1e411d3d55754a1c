"""What a parser says about a model's text.

Every event has its span, `start` to `end`, in the reply's text as generated, in characters: so that
tokens can be counted on either side of a boundary whatever was trimmed or dropped. Spans follow one
another and never overlap; between two of them lies what was dropped, marks and the white space that
belongs to them. An event that carries text stands for exactly the text of its span, `end - start ==
len(text)`, unless `merge` has joined it across something that was dropped.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThinkingStart:
    """A think block opens: its opening mark, white space dropped before it included."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of thinking, without marks."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ThinkingEnd:
    """The think block is closed: its closing mark; what follows begins at `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A piece of the answer."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ToolCallText:
    """A piece of the answer from the first mark of a tool call on, marks included.

    It is in the model's own format, and only the end of the reply tells whether its calls are
    sound: vLLM's tool parser reads them then.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """A call begins that the family's marks delimit; `name` is its function's."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ToolCallArguments:
    """A piece of the arguments of the call that began last: JSON, if the model keeps to it."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ToolCallEnd:
    """The call is over; the span is empty where the end of the reply ended it."""

    start: int
    end: int


Text = Thinking | Answer | ToolCallText | ToolCallArguments
Event = Text | ThinkingStart | ThinkingEnd | ToolCallStart | ToolCallEnd


def merge(events: list[Event]) -> list[Event]:
    """Join neighbouring pieces of the same kind, so that chunking can't be told from the result."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, Text) and isinstance(last, Text) and type(event) is type(last):
            merged[-1] = type(event)(last.text + event.text, last.start, event.end)
        else:
            merged.append(event)
    return merged
