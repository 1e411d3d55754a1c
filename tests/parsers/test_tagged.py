"""`parsers.tagged`: thinking between two tags."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import Answer, Text, Thinking, ThinkingEnd, ThinkingStart
from parsers.tagged import TaggedParser, TagMarks
from tests.parsers.cuts import assert_linear, cut_texts
from tests.parsers.replies import TAGGED

THINK = TagMarks("<think>", "</think>")
MARKS = st.sampled_from([THINK, TagMarks("<|thinking|>", "<|/thinking|>")])


@given(cut_texts(TAGGED), MARKS, st.booleans(), st.sampled_from(["", "<tool_call>"]))
def test_nothing_but_marks_is_lost(
    pieces: list[str], marks: TagMarks, thinking: bool, tool_mark: str
) -> None:
    """Between pieces of text there are but tags and the white space that belongs to them."""
    raw, end = "".join(pieces), 0
    gap = re.compile(rf"(\s{{0,16}}{re.escape(marks.open)}|{re.escape(marks.close)}[\r\n]*)*")
    for event in _parse(TaggedParser(marks, thinking=thinking, tool_mark=tool_mark), pieces):
        if isinstance(event, Text):
            assert gap.fullmatch(raw[end : event.start])
            end = event.end
        elif isinstance(event, ThinkingStart):
            assert raw[event.start : event.end].lstrip() == marks.open
        else:
            assert raw[event.start : event.end] == marks.close
    assert gap.fullmatch(raw[end:])


@given(cut_texts(TAGGED))
def test_without_marks_nothing_changes(pieces: list[str]) -> None:
    """Where nobody thinks every piece passes through at once, as it came."""
    parser, at = TaggedParser(None, thinking=False), 0
    for text in pieces:
        assert parser.feed(text) == ([Answer(text, at, at + len(text))] if text else [])
        at += len(text)
        assert (parser.position, parser.thinking) == (at, False)
    assert parser.finish() == []


def test_delta_across_the_boundary() -> None:
    """A delta of several tokens may close the block and begin the answer at once."""
    parser = TaggedParser(THINK, thinking=True)
    assert parser.feed("so 42.</thi") == [Thinking("so 42.", 0, 6)]
    assert parser.thinking
    assert parser.feed("nk>\n\nIt is") == [ThinkingEnd(6, 14), Answer("It is", 16, 21)]
    assert not parser.thinking


def test_text_is_not_kept_waiting() -> None:
    """Text that can't be part of a tag comes out with the piece that brought it."""
    parser = TaggedParser(THINK, thinking=False)
    assert parser.feed("Hi") == [Answer("Hi", 0, 2)]
    assert parser.feed(" <") == [Answer(" ", 2, 3)]
    assert parser.feed("b") == [Answer("<b", 3, 5)]
    assert parser.feed("<think>a") == [ThinkingStart(5, 12), Thinking("a", 12, 13)]


def test_thinking_does_not_wait_for_a_call() -> None:
    """A block that opens where a call may begin decides at once that none does."""
    parser = TaggedParser(THINK, thinking=False, tool_mark="<tool_call>")
    assert parser.feed("a<tool") == [Answer("a", 0, 1)]
    assert parser.position == 1
    assert parser.feed("<think>b") == [
        Answer("<tool", 1, 6),
        ThinkingStart(6, 13),
        Thinking("b", 13, 14),
    ]
    assert parser.position == 14


@pytest.mark.parametrize("tool_mark", ["", "<tool_call>"])
@pytest.mark.parametrize("cut", [list, lambda text: [text]], ids=["by character", "whole"])
@pytest.mark.parametrize(
    "unit",
    [
        *("a", "\n", "<", "<think", "<think>", "</think>", "</think>\n", "`</think>`"),
        *("`<think>a</think>", "<tool</think>", "`<tool_call", "<tool_call>"),
    ],
)
def test_linear(unit: str, cut: type[list[str]], tool_mark: str) -> None:
    """Four times the text takes four times the work, for the worst of texts."""

    def parse(size: int) -> None:
        parser = TaggedParser(THINK, thinking=False, tool_mark=tool_mark)
        _parse(parser, cut(unit * (size // len(unit))))

    assert_linear(parse)


def test_linear_up_to_a_long_reply() -> None:
    """A reply of 32,000 tokens, fed one by one, costs per token what one of 8,000 does."""
    words = "<think>" + "so it is < 42 </think>`a` " * 2000
    tokens = re.findall(r"\s?\w+|.", words)

    def parse(size: int) -> None:
        _parse(TaggedParser(THINK, thinking=False), (tokens * 2)[:size])

    assert_linear(parse, size=8000)


def _parse(parser: TaggedParser, pieces: list[str]) -> list[object]:
    return [event for text in pieces for event in parser.feed(text)] + parser.finish()
