"""`parsers.calls`: what stands before a call is answer at once, and the rest is the call's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.calls import CallSplitter
from parsers.events import Answer, Event, ToolCallText, merge
from tests.parsers.cuts import assert_linear, cut_texts, every_cut, joined

MARK = "<tool_call>"
CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "<tool"}}\n</tool_call>'
STUFF = joined("<tool_call>", "</tool_call>", "<tool", "_call>", "<", "`", "\n", "a", "好")


def split(pieces: list[str], gap: int = 0) -> list[Event]:
    """All events of an answer that arrives in `pieces`, `gap` characters dropped between them."""
    splitter, at = CallSplitter(MARK), 0
    events: list[Event] = []
    for text in pieces:
        if text:
            events += splitter.feed(text, at)
        at += len(text) + gap
    return events + splitter.finish()


def texts(events: list[Event]) -> tuple[str, str]:
    """The answer, and what is of calls."""
    return tuple(
        "".join(event.text for event in events if isinstance(event, kind))
        for kind in (Answer, ToolCallText)
    )  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("It is 42.", "It is 42."),
        (CALL, ""),
        (f"Let me look.\n{CALL}", "Let me look.\n"),
        (f"{CALL}\n{CALL} and more <tool", ""),
        ("a <tool_cal", "a <tool_cal"),
        ("a < b <tool b", "a < b <tool b"),
        ("write `<tool_call>` to call", "write `<tool_call>` to call"),
    ],
)
def test_at_every_cut(text: str, answer: str) -> None:
    """However the answer is cut, its calls begin with the first mark, and nothing else does."""
    expected: list[Event] = [Answer(answer, 0, len(answer))] if answer else []
    if answer != text:
        expected.append(ToolCallText(text[len(answer) :], len(answer), len(text)))
    for pieces in every_cut(text):
        assert merge(split(pieces)) == expected


def test_text_is_not_held_without_need() -> None:
    """Text goes out at once, the beginning of a mark when it turns out to be none."""
    splitter = CallSplitter(MARK)
    assert splitter.feed("It is <", 0) == [Answer("It is ", 0, 6)]
    assert splitter.held_from(7) == 6
    assert splitter.feed("tool", 7) == []
    assert splitter.feed(" 42", 11) == [
        Answer("<", 6, 7),
        Answer("tool", 7, 11),
        Answer(" 42", 11, 14),
    ]
    assert splitter.held_from(14) == 14
    assert splitter.feed("<tool_call>{", 14) == [
        ToolCallText("<tool_call>", 14, 25),
        ToolCallText("{", 25, 26),
    ]
    assert splitter.feed("<tool", 26) == [ToolCallText("<tool", 26, 31)]


@given(cut_texts(STUFF), st.integers(0, 3))
def test_nothing_is_lost(pieces: list[str], gap: int) -> None:
    """Answer and calls are the whole text, calls begin with the mark, and gaps stay gaps."""
    events = split(pieces, gap)
    answer, calls = texts(events)
    assert answer + calls == "".join(pieces)
    assert calls.startswith(MARK) or not calls
    apart = "".join(text + "\0" * gap for text in pieces)
    for event in events:
        assert isinstance(event, (Answer, ToolCallText))
        assert apart[event.start : event.end] == event.text


@given(cut_texts(STUFF), st.integers(0, 3))
def test_gaps_change_nothing(pieces: list[str], gap: int) -> None:
    """What was dropped between two pieces does not keep a mark from being one."""
    assert texts(split(pieces, gap)) == texts(split(["".join(pieces)]))


@pytest.mark.parametrize("unit", ["a<", "<tool_call", "`<tool_call>", "<tool_call>"])
def test_linear(unit: str) -> None:
    """A long answer costs in proportion to its length, one character at a time."""
    assert_linear(lambda size: split(list(unit * (size // len(unit)))))
