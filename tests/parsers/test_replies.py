"""`parsers.reply`: what every family's parser keeps, however the reply is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.events import Event, Text, ThinkingEnd, ThinkingStart, ToolCallEnd, merge
from tests.parsers.cuts import cut_texts, every_cut
from tests.parsers.replies import Case, Setting, characters, read_cases, replies

LONGEST_HELD = 512 + len("<|constrain|>")
"""A header that is not over; what tags hold back is less."""

Cut = tuple[Setting, list[str]]
CUT_REPLIES = replies().flatmap(
    lambda reply: st.tuples(st.just(reply[0]), cut_texts(st.just(reply[1])))
)


@pytest.mark.parametrize("case", read_cases())
def test_cases(case: Case) -> None:
    """A reply stands for the same events at every cut."""
    for pieces in every_cut(case.raw):
        assert merge(case.setting.parse(pieces)) == case.events


@settings(max_examples=500)
@given(CUT_REPLIES)
def test_cutting_changes_nothing(reply: Cut) -> None:
    """Any text in any cutting gives the same characters, in the same places, on the same sides."""
    setting, pieces = reply
    whole, cut = setting.parse(["".join(pieces)]), setting.parse(pieces)
    assert merge(cut) == merge(whole)
    assert characters(cut) == characters(whole)


@settings(max_examples=300)
@given(CUT_REPLIES)
def test_events_carry_their_spans(reply: Cut) -> None:
    """Spans are in order, inside the text, and hold the text that their events carry."""
    setting, pieces = reply
    raw, end = "".join(pieces), 0
    for event in setting.parse(pieces):
        assert end <= event.start <= event.end <= len(raw)
        end = event.end
        if isinstance(event, Text):
            assert event.text
            assert raw[event.start : event.end] == event.text


@settings(max_examples=300)
@given(CUT_REPLIES)
def test_position_only_grows(reply: Cut) -> None:
    """All before `position` is decided for good, and little is left undecided behind it."""
    setting, pieces = reply
    parser, fed, position = setting.parser(), 0, 0
    assert parser.position == 0
    for text in pieces:
        events = parser.feed(text)
        fed += len(text)
        assert all(position <= event.start for event in events)
        assert max(position, fed - LONGEST_HELD) <= parser.position <= fed
        position = parser.position
        assert all(event.end <= position for event in events)
    assert all(position <= event.start for event in parser.finish())
    assert parser.position == fed


@given(CUT_REPLIES)
def test_blocks_open_and_close_in_turn(reply: Cut) -> None:
    """Thinking comes inside blocks, all else outside; the parser knows where it is."""
    setting, pieces = reply
    parser = setting.parser()
    inside = parser.thinking
    assert inside is setting.family.starts_in_thinking(setting.tail, assumed=setting.assumed)
    for text in pieces:
        inside = _follow(parser.feed(text), inside)
        assert parser.thinking is inside
    inside = _follow(parser.finish(), inside)
    assert parser.thinking is inside


def _follow(events: list[Event], inside: bool) -> bool:
    for event in events:
        assert inside is (type(event).__name__ in ("Thinking", "ThinkingEnd"))
        inside = (inside or isinstance(event, ThinkingStart)) and not isinstance(event, ThinkingEnd)
    return inside


@given(CUT_REPLIES)
def test_calls_begin_and_end_in_turn(reply: Cut) -> None:
    """Every call that begins is over before anything else comes, at the latest with the reply."""
    setting, pieces = reply
    calling = False
    for event in setting.parse(pieces):
        kind = type(event).__name__
        assert calling is (kind in ("ToolCallArguments", "ToolCallEnd"))
        calling = (calling or kind == "ToolCallStart") and not isinstance(event, ToolCallEnd)
    assert not calling


@given(CUT_REPLIES)
def test_calls_come_only_where_they_are_wanted(reply: Cut) -> None:
    """Without tools a reply is thinking and answer, and nothing else."""
    setting, pieces = reply
    without = Setting(setting.family, setting.tail, setting.assumed).parse(pieces)
    assert not any("ToolCall" in type(event).__name__ for event in without)
