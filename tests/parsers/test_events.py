"""`parsers.events`: what a parser says, and how pieces of it are joined."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import (
    Answer,
    Event,
    Text,
    Thinking,
    ThinkingEnd,
    ThinkingStart,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
    ToolCallText,
    merge,
)

TEXTS: list[type[Text]] = [Thinking, Answer, ToolCallText, ToolCallArguments]
PLACES = st.integers(0, 99)
EVENTS = st.lists(
    st.builds(ThinkingStart, PLACES, PLACES)
    | st.builds(ThinkingEnd, PLACES, PLACES)
    | st.builds(ToolCallStart, st.text(max_size=2), PLACES, PLACES)
    | st.builds(ToolCallEnd, PLACES, PLACES)
    | st.sampled_from(TEXTS).flatmap(
        lambda kind: st.builds(kind, st.text(max_size=2), PLACES, PLACES)
    )
)


@pytest.mark.parametrize("kind", TEXTS)
def test_merge_joins_neighbours(kind: type[Text]) -> None:
    """Neighbouring pieces of one kind become one, from where the first began to the last's end."""
    events = [ThinkingStart(0, 7), kind("a", 7, 8), kind("b", 8, 9), kind("c", 17, 18)]
    assert merge([*events, ThinkingEnd(18, 26), kind("d", 26, 27)]) == [
        ThinkingStart(0, 7),
        kind("abc", 7, 18),
        ThinkingEnd(18, 26),
        kind("d", 26, 27),
    ]


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([], id="none"),
        pytest.param(
            [Thinking("a", 0, 1), Answer("b", 1, 2), Thinking("c", 2, 3)], id="sides alternate"
        ),
        pytest.param([Answer("a", 0, 1), ToolCallText("b", 1, 2)], id="answer and call"),
        pytest.param(
            [Thinking("a", 0, 1), ThinkingEnd(1, 9), ThinkingStart(9, 16)], id="empty gap"
        ),
        pytest.param(
            [Answer("a", 0, 1), ThinkingStart(1, 8), ThinkingEnd(8, 16), Answer("b", 16, 17)],
            id="gap",
        ),
        pytest.param(
            [
                ToolCallArguments("a", 0, 1),
                ToolCallEnd(1, 2),
                ToolCallStart("f", 2, 3),
                ToolCallArguments("b", 3, 4),
            ],
            id="two calls",
        ),
        pytest.param([ThinkingStart(0, 7), ThinkingStart(7, 14)], id="same mark twice"),
    ],
)
def test_merge_keeps_sides_apart(events: list[Event]) -> None:
    """What does not stand side by side, or is no text, stays as it is."""
    assert merge(events) == events


@given(EVENTS)
def test_merge_loses_nothing(events: list[Event]) -> None:
    """Merging again changes nothing, neither does it change what it is given, or the text."""
    before = list(events)
    merged = merge(events)

    assert events == before
    assert merge(merged) == merged
    for kind in TEXTS:
        assert _text(merged, kind) == _text(events, kind)


def _text(events: list[Event], kind: type[Text]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


@pytest.mark.parametrize(
    "event",
    [
        ThinkingStart(0, 1),
        ThinkingEnd(0, 1),
        ToolCallStart("f", 0, 1),
        ToolCallEnd(0, 1),
        *(kind("a", 0, 1) for kind in TEXTS),
    ],
)
def test_events_are_values(event: Event) -> None:
    """An event can't be changed once it is out, and equals its like."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.start = 1  # type: ignore[misc]
    assert event == dataclasses.replace(event)
    assert hash(event) == hash(dataclasses.replace(event))
