"""`parsers.channels`: gpt-oss's messages, and that nothing of its thinking becomes answer."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.channels import ChannelMarks, ChannelParser
from parsers.events import (
    Answer,
    Event,
    Thinking,
    ThinkingEnd,
    ThinkingStart,
    ToolCallArguments,
    ToolCallEnd,
    merge,
)
from tests.parsers.cuts import assert_linear, cut_texts, every_cut
from tests.parsers.replies import CHANNELS

MARKS = ChannelMarks()
TAIL = "<|start|>assistant"
HEADERS = {
    "analysis": ("<|channel|>analysis<|message|>", Thinking),
    "final": ("<|channel|>final<|message|>", Answer),
    "preamble": ("<|channel|>commentary<|message|>", Answer),
    "python": ("<|channel|>commentary to=python code<|message|>", Thinking),
    "call": (
        "<|channel|>commentary to=functions.f <|constrain|>json<|message|>",
        ToolCallArguments,
    ),
    "call, recipient first": (" to=functions.f<|channel|>commentary<|message|>", ToolCallArguments),
}
BODIES = st.lists(
    st.sampled_from(
        ["a", "<", "|>", "`", "思考", "\n", "<|start|>", "<|channel|>final<|message|>", "<|en"]
    ),
    min_size=1,
).map("".join)


def parser(tail: str = TAIL, *, tools: bool = True) -> ChannelParser:
    """A parser for the reply to a prompt that ends so."""
    return ChannelParser(MARKS, tail, assumed=False, tools=tools)


def parse(pieces: list[str], tail: str = TAIL, *, tools: bool = True) -> list[Event]:
    """All events of a reply that arrives in `pieces`."""
    parsing = parser(tail, tools=tools)
    return [event for text in pieces for event in parsing.feed(text)] + parsing.finish()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(sorted(HEADERS)), BODIES)), st.data())
def test_sound_replies(messages: list[tuple[str, str]], data: st.DataObject) -> None:
    """Every message of a sound reply is what its header says, to the last character."""
    texts = [HEADERS[kind][0] + body + "<|end|>" for kind, body in messages]
    pieces = data.draw(cut_texts(st.just(TAIL.join(texts))))
    expected = [(HEADERS[kind][1], body) for kind, body in messages]

    found = [
        (type(event), event.text)
        for event in merge(parse(pieces))
        if isinstance(event, (Thinking, Answer, ToolCallArguments))
    ]

    assert found == _joined(expected)


def _joined(texts: list[tuple[type, str]]) -> list[tuple[type, str]]:
    """Answers that follow one another count as one, as nothing tells them apart."""
    result: list[tuple[type, str]] = []
    for kind, text in texts:
        if result and result[-1][0] is kind is Answer:
            text = result.pop()[1] + text
        result.append((kind, text))
    return result


@settings(max_examples=300)
@given(cut_texts(CHANNELS), st.booleans())
def test_every_answer_has_its_header(pieces: list[str], tools: bool) -> None:
    """Whatever a model writes, right before an answer stands a header that says so."""
    raw = "".join(pieces)
    answered = re.compile(
        r"(assistant[^<]*|<\|channel\|>\s*(final|commentary)[^<]*(<\|constrain\|>[^<]*)?)<\|message\|>$"
        r"|<\|channel\|>\s*final(<\|constrain\|>json)?\s*$"
    )
    for event in merge(parse(pieces, tools=tools)):
        if isinstance(event, Answer):
            assert answered.search(TAIL + raw[: event.start])


def test_stop_token_is_not_needed() -> None:
    """vLLM leaves stop tokens out: the end of the reply closes a call, and thinking stays open."""
    call = "<|channel|>commentary to=functions.f<|message|>"
    assert parse([call, "{}"])[-1] == ToolCallEnd(len(call) + 2, len(call) + 2)
    thinking = parser()
    thinking.feed("<|channel|>analysis<|message|>a")
    assert thinking.finish() == []
    assert thinking.thinking


def test_text_is_not_kept_waiting() -> None:
    """Text that can't be part of a mark comes out with the piece that brought it."""
    parsing = parser()
    assert parsing.feed("<|channel|>analysis") == []
    assert parsing.position == 0
    assert parsing.feed("<|message|>Hm") == [ThinkingStart(0, 30), Thinking("Hm", 30, 32)]
    assert parsing.feed(" <") == [Thinking(" ", 32, 33)]
    assert parsing.feed("b") == [Thinking("<b", 33, 35)]
    assert parsing.feed("<|end|>") == []
    assert (parsing.position, parsing.thinking) == (35, True)
    assert parsing.feed("<|start|>") == [ThinkingEnd(35, 42)]
    assert (parsing.position, parsing.thinking) == (42, False)


@pytest.mark.parametrize("length", [511, 512, 513])
def test_longest_header(length: int) -> None:
    """A header of 512 characters is read; a longer one is thinking until a message begins."""
    filler = "a" * (length - len("<|channel|>final "))
    raw = f"<|channel|>final {filler}<|message|>42<|end|>"
    expected = f"{filler}<|message|>42" if length > 512 else "42"
    for pieces in every_cut(raw):
        (answer,) = merge(parse(pieces, tail=""))
        assert isinstance(answer, Answer)
        assert answer.text == expected


def test_a_header_is_not_held_for_ever() -> None:
    """Text where a header should be is thinking as soon as it is too long for one."""
    parsing, given_out = parser(), 0
    for count in range(2000):
        given_out += sum(
            len(event.text) for event in parsing.feed("a") if isinstance(event, Thinking)
        )
        assert count + 1 - given_out <= 512
    assert parsing.thinking


def test_prompt_of_many_messages() -> None:
    """The last message of the prompt decides, whatever the ones before say."""
    history = "<|start|>user<|message|>`<|channel|>analysis<|message|>`<|end|>"
    assert parser(history + TAIL + HEADERS["analysis"][0]).thinking
    assert not parser(history + TAIL + HEADERS["final"][0]).thinking


@pytest.mark.parametrize("cut", [list, lambda text: [text]], ids=["by character", "whole"])
@pytest.mark.parametrize(
    "unit",
    [
        *("a", "<", "<|end|", "<|end|>", "<|end|>`", "<|start|>", "<|channel|>", "<|message|>"),
        *("<|channel|>final<|message|>a<|end|>", "<|channel|>analysis<|message|>", "a <|channel|>"),
        *("<|channel|>final a<|end|>", "<|start|>assistant" + "a" * 600),
    ],
)
def test_linear(unit: str, cut: Callable[[str], list[str]]) -> None:
    """Four times the text takes four times the work, for the worst of texts."""
    assert_linear(lambda size: parse(cut(unit * (size // len(unit)))), size=4000)


def test_linear_up_to_a_long_reply() -> None:
    """A reply of 32,000 tokens, fed one by one, costs per token what one of 8,000 does."""
    header = ["<|channel|>", "analysis", "<|message|>"]
    tokens = header + ["so", " it", " is", " <", " 42", "."] * 6000
    assert_linear(lambda size: parse(tokens[:size]), size=8000)
