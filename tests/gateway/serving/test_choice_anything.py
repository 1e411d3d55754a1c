"""`gateway.serving.choice`: any reply at any split, against one look at the whole."""

from itertools import accumulate

from hypothesis import example, given
from hypothesis import strategies as st

from engine.types import Function
from parsers.events import (
    Answer,
    Thinking,
    ThinkingEnd,
    ThinkingStart,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
    ToolCallText,
)
from parsers.families import FAMILIES
from tests.gateway.serving.choices import VISIBILITIES, Outcome, choice, one_call, write
from tests.parsers.replies import Setting, replies

STOPS = ["a", "b", "ab", "aab", "\n", "think", "<", " ", "思考", "a<tool_call>", "l>a", "final"]


@st.composite
def written(draw):
    """A family, and a reply of its in tokens."""
    setting, text = draw(replies())
    places = draw(st.lists(st.integers(0, len(text)), max_size=20)) if draw(st.booleans()) else None
    if places is None:
        return setting, list(text) or [""]
    ends = [*sorted(places), len(text)]
    return setting, [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(
    reply=written(),
    cuts=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    stops=st.lists(st.sampled_from(STOPS), max_size=3),
    finish=st.sampled_from(["stop", "length"]),
)
@example((Setting(FAMILIES["think"]), ["a", "<think>", "</think>", "b"]), [1], ["ab"], "stop")
@example((Setting(FAMILIES["think"], tools=True), list("ba<tool_call>a")), [1], ["a<to"], "stop")
def test_any_reply_is_the_same_in_all_visibilities(reply, cuts, stops, finish):
    """For any text, chunking and stops: one account, one answer, and raw is what was generated."""
    setting, tokens = reply
    expected, end = whole(setting, tokens, stops, finish)
    for visibility in VISIBILITIES:
        for size in (cuts, [1], [1000]):
            state = choice(setting.parser(), stops, visibility, one_call)
            outcome = write(state, tokens, size, finish)

            assert outcome.counts == expected.counts
            assert outcome.calls == expected.calls
            assert outcome.thinking == (expected.thinking if visibility == "parsed" else "")
            raw = "".join(tokens)[:end]
            assert outcome.answer == (raw if visibility == "raw" else expected.answer)


def whole(setting, tokens, stops, finish):
    """What a reply comes to, from a look at all of it; and where its raw text ends."""
    text = "".join(tokens)
    events = setting.parse([text])
    said = [each for each in events if isinstance(each, Answer | ToolCallText)]
    places = [each.start + i for each in said for i in range(len(each.text))]
    stop, start, over = found(stops, "".join(each.text for each in said))
    if stop is None:
        end, used, reached = len(text), len(tokens), len(text) + 1
    else:
        end, reached = places[start], places[over - 1] + 1
        used = covering(tokens, reached)
        events = [each for each in events if each.start < reached]
    outcome = Outcome("".join(each.text for each in events if isinstance(each, Thinking)))
    shown = [(type(each), each.text[i]) for each in said for i in range(len(each.text))][:start]
    outcome.answer = "".join(character for kind, character in shown if kind is Answer)
    outcome.calls = marked_calls(events)
    calling = "".join(character for kind, character in shown if kind is ToolCallText)
    read = [call.function for call in one_call(calling)]
    outcome.calls += read
    outcome.answer += "" if read else calling
    reason = "tool_calls" if outcome.calls else "stop" if stop else finish
    inside = setting.parser().thinking
    outcome.counts = (reason, stop, used, thought(events, tokens, used, inside=inside))
    return outcome, end


def found(stops, text):
    """The stop string that completes first, where it begins and ends; the first of equals."""
    ends = [
        (text.index(stop) + len(stop), number) for number, stop in enumerate(stops) if stop in text
    ]
    if not ends:
        return None, len(text), len(text)
    over, number = min(ends)
    return stops[number], over - len(stops[number]), over


def covering(tokens, length):
    """How many leading tokens it takes to make `length` characters."""
    if not length:
        return 0
    return next(i for i, end in enumerate(accumulate(map(len, tokens)), 1) if end >= length)


def thought(events, tokens, used, *, inside):
    """How many tokens are thinking."""
    opened, tokens_thought = (0 if inside else None), 0
    for each in events:
        if isinstance(each, ThinkingStart):
            opened = covering(tokens, each.start)
        elif isinstance(each, ThinkingEnd) and opened is not None:
            tokens_thought += covering(tokens, each.end) - opened
            opened = None
    return tokens_thought + (used - opened if opened is not None else 0)


def marked_calls(events):
    """The calls that marks delimit."""
    calls = []
    for each in events:
        if isinstance(each, ToolCallStart):
            name, arguments = each.name, ""
        elif isinstance(each, ToolCallArguments):
            arguments += each.text
        elif isinstance(each, ToolCallEnd):
            calls.append(Function(name, arguments))
    return calls
