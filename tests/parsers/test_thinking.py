"""`parsers.thinking`: the same thinking and the same answer, however the reply is cut.

The replies and what they stand for are in `tests/cases`, one file a family.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.events import Answer, Event, Thinking, ThinkingEnd, ThinkingStart, merge
from parsers.formats import FORMATS, ThinkingFormat
from parsers.thinking import ThinkingParser
from tests.parsers.cuts import assert_linear, cut_texts, every_cut, joined

CASES = Path(__file__).parent.parent / "cases"
TEXTS: dict[str, type[Thinking | Answer]] = {"Thinking": Thinking, "Answer": Answer}
TAGS: dict[str, type[ThinkingStart | ThinkingEnd]] = {
    "ThinkingStart": ThinkingStart,
    "ThinkingEnd": ThinkingEnd,
}
LONGEST_HELD = 16 + len("<|/thinking|>") + 80
"""Blanks at the start, a tag, and what has to follow it to tell whether it is quoted."""
STUFF = joined(
    *("<think>", "</think>", "<|thinking|>", "<|/thinking|>", "<thi", "</", "<|", "think>", ">"),
    *("`", "\n", "\r\n", " ", " " * 15, "a", "思考", "👩‍💻", "\u0301"),
)
THINKERS = st.sampled_from([row for row in FORMATS.values() if row.tags])


@dataclass(frozen=True)
class Case:
    """A reply as generated, and the events that it stands for."""

    family: ThinkingFormat
    raw: str
    inside: bool
    events: list[Event]


def read_cases() -> list[ParameterSet]:
    """Every case of every family, by name."""
    cases = []
    for path in sorted(CASES.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["case"]:
            events = [_event(*fields) for fields in entry["events"]]
            case = Case(FORMATS[path.stem], entry["raw"], entry.get("inside", False), events)
            cases.append(pytest.param(case, id=f"{path.stem}: {entry['name']}"))
    return cases


def _event(kind: str, at: int, text: str = "") -> Event:
    return TEXTS[kind](text, at) if kind in TEXTS else TAGS[kind](at)


def parse(family: ThinkingFormat, pieces: Sequence[str], *, inside: bool = False) -> list[Event]:
    """All events of a reply that arrives in `pieces`."""
    parser = ThinkingParser(family, inside=inside)
    return [event for text in pieces for event in parser.feed(text)] + parser.finish()


def marks(events: list[Event]) -> list[tuple[type[Event], int, str]]:
    """Events taken apart into single characters, each with its own position."""
    return [
        (type(event), event.at + offset, character)
        for event in events
        for offset, character in enumerate(getattr(event, "text", "\0"))
    ]


@pytest.mark.parametrize("case", read_cases())
def test_cases(case: Case) -> None:
    """A reply stands for the same events at every cut."""
    for pieces in every_cut(case.raw):
        assert merge(parse(case.family, pieces, inside=case.inside)) == case.events


@settings(max_examples=300)
@given(cut_texts(STUFF), THINKERS, st.booleans())
def test_cutting_changes_nothing(pieces: list[str], family: ThinkingFormat, inside: bool) -> None:
    """Any text in any cutting gives the same characters, in the same places, on the same sides."""
    whole = parse(family, ["".join(pieces)], inside=inside)
    cut = parse(family, pieces, inside=inside)
    assert merge(cut) == merge(whole)
    assert marks(cut) == marks(whole)


@given(cut_texts(STUFF), THINKERS, st.booleans())
def test_nothing_but_marks_is_lost(pieces: list[str], family: ThinkingFormat, inside: bool) -> None:
    """Every piece stands where it says, and between pieces there are but tags and blanks."""
    raw, end = "".join(pieces), 0
    gap = re.compile(rf"(\s{{0,16}}{re.escape(family.open)}|{re.escape(family.close)}[\r\n]*)*")
    for event in parse(family, pieces, inside=inside):
        if isinstance(event, (Thinking, Answer)):
            assert event.text
            assert raw.startswith(event.text, event.at)
            assert gap.fullmatch(raw[end : event.at])
            end = event.at + len(event.text)
    assert gap.fullmatch(raw[end:])


@given(cut_texts(STUFF), THINKERS, st.booleans())
def test_blocks_open_and_close_in_turn(
    pieces: list[str], family: ThinkingFormat, inside: bool
) -> None:
    """Thinking comes inside blocks, answer outside, and tags where the events say."""
    raw = "".join(pieces)
    for event in parse(family, pieces, inside=inside):
        assert inside is isinstance(event, (Thinking, ThinkingEnd))
        if isinstance(event, ThinkingStart):
            assert raw[event.at :].lstrip().startswith(family.open)
            inside = True
        elif isinstance(event, ThinkingEnd):
            assert raw[: event.at].endswith(family.close)
            inside = False


@given(cut_texts(STUFF), THINKERS, st.booleans())
def test_position_only_grows(pieces: list[str], family: ThinkingFormat, inside: bool) -> None:
    """All before `position` is decided for good, and little is left undecided behind it."""
    parser, fed, position = ThinkingParser(family, inside=inside), 0, 0
    for text in pieces:
        events = parser.feed(text)
        fed += len(text)
        assert all(position <= event.at for event in events if not isinstance(event, ThinkingEnd))
        assert all(position < event.at for event in events if isinstance(event, ThinkingEnd))
        assert max(position, fed - LONGEST_HELD) <= parser.position <= fed
        position = parser.position
        assert all(event.at + len(getattr(event, "text", "")) <= position for event in events)
    assert all(position <= event.at for event in parser.finish())
    assert parser.position == fed


@given(cut_texts(STUFF))
def test_family_without_tags_changes_nothing(pieces: list[str]) -> None:
    """Where nobody thinks every piece passes through at once, as it came."""
    parser, at = ThinkingParser(FORMATS["none"]), 0
    for text in pieces:
        assert parser.feed(text) == ([Answer(text, at)] if text else [])
        at += len(text)
        assert (parser.position, parser.inside) == (at, False)
    assert parser.finish() == []


def test_delta_across_the_boundary() -> None:
    """A delta of several tokens may close the block and begin the answer at once."""
    parser = ThinkingParser(FORMATS["think"], inside=True)
    assert parser.feed("so 42.</thi") == [Thinking("so 42.", 0)]
    assert parser.inside
    assert parser.feed("nk>\n\nIt is") == [ThinkingEnd(14), Answer("It is", 16)]
    assert not parser.inside


def test_text_is_not_kept_waiting() -> None:
    """Text that can't be part of a tag comes out with the piece that brought it."""
    parser = ThinkingParser(FORMATS["think"])
    assert parser.feed("Hi") == [Answer("Hi", 0)]
    assert parser.feed(" <") == [Answer(" ", 2)]
    assert parser.feed("b") == [Answer("<b", 3)]
    assert parser.feed("<think>a") == [ThinkingStart(5), Thinking("a", 12)]


@pytest.mark.parametrize("cut", [list, lambda text: [text]], ids=["by character", "whole"])
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "\n",
        "<",
        "<think",
        "<think>",
        "</think>",
        "</think>\n",
        "`</think>`",
        "`<think>a</think>",
    ],
)
def test_linear(unit: str, cut: type[list[str]]) -> None:
    """Four times the text takes four times the work, for the worst of texts."""
    assert_linear(lambda size: parse(FORMATS["think"], cut(unit * (size // len(unit)))))


def test_linear_up_to_a_long_reply() -> None:
    """A reply of 32,000 tokens, fed one by one, costs per token what one of 8,000 does."""
    words = "<think>" + "so it is < 42 </think>`a` " * 2000
    tokens = re.findall(r"\s?\w+|.", words)

    assert_linear(lambda size: parse(FORMATS["think"], (tokens * 2)[:size]), size=8000)
