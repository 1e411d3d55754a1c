"""What a parser says about a model's text.

`at` is always a position in the text as generated, in characters from its start, so that tokens
can be counted on either side of a boundary whatever was trimmed or dropped.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThinkingStart:
    """A think block opens; its opening tag, or the white space dropped before it, is at `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of thinking, without tags; its first character stands at `at`."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class ThinkingEnd:
    """The think block is closed; the character after its closing tag stands at `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A piece of the answer; its first character stands at `at`."""

    text: str
    at: int


Event = ThinkingStart | Thinking | ThinkingEnd | Answer


def merge(events: list[Event]) -> list[Event]:
    """Join neighbouring pieces of the same kind, so that chunking can't be told from the result."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, Thinking) and isinstance(last, Thinking):
            merged[-1] = Thinking(last.text + event.text, last.at)
        elif isinstance(event, Answer) and isinstance(last, Answer):
            merged[-1] = Answer(last.text + event.text, last.at)
        else:
            merged.append(event)
    return merged
