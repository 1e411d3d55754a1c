"""`parsers.events`: what a parser says, and how pieces of it are joined."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import Answer, Event, Thinking, ThinkingEnd, ThinkingStart, merge

EVENTS = st.lists(
    st.builds(ThinkingStart, st.integers())
    | st.builds(ThinkingEnd, st.integers())
    | st.builds(Thinking, st.text(max_size=2), st.integers())
    | st.builds(Answer, st.text(max_size=2), st.integers())
)


def test_merge_joins_neighbours() -> None:
    """Neighbouring pieces of one kind become one, which stands where the first stood."""
    assert merge(
        [
            ThinkingStart(0),
            Thinking("a", 7),
            Thinking("b", 8),
            ThinkingEnd(17),
            Answer("c", 17),
            Answer("d", 18),
            Answer("e", 19),
        ]
    ) == [ThinkingStart(0), Thinking("ab", 7), ThinkingEnd(17), Answer("cde", 17)]


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([], id="none"),
        pytest.param([Thinking("a", 0), Answer("b", 1), Thinking("c", 2)], id="sides alternate"),
        pytest.param([Thinking("a", 0), ThinkingEnd(8), ThinkingStart(8)], id="empty gap"),
        pytest.param(
            [Answer("a", 0), ThinkingStart(1), ThinkingEnd(16), Answer("b", 16)], id="gap"
        ),
        pytest.param([ThinkingStart(0), ThinkingStart(7)], id="same tag twice"),
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
    for kind in (Thinking, Answer):
        assert _text(merged, kind) == _text(events, kind)


def _text(events: list[Event], kind: type[Thinking] | type[Answer]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


@pytest.mark.parametrize(
    "event", [ThinkingStart(0), Thinking("a", 0), ThinkingEnd(0), Answer("a", 0)]
)
def test_events_are_values(event: Event) -> None:
    """An event can't be changed once it is out, and equals its like."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.at = 1  # type: ignore[misc]
    assert event == dataclasses.replace(event)
    assert hash(event) == hash(dataclasses.replace(event))
