"""`parsers.tools`: what stands before a call is given out at once, and the rest when it is over."""

import pytest
from hypothesis import given

from parsers.tools import OPEN, ToolCallHolder, calls_tools
from tests.parsers.cuts import assert_linear, cut_texts, every_cut, joined

CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "<tool"}}\n</tool_call>'
STUFF = joined("<tool_call>", "</tool_call>", "<tool", "_call>", "<", "`", "\n", "a", "好")


def hold(pieces: list[str]) -> tuple[str, str]:
    """What is given out, and what is held at the end."""
    holder = ToolCallHolder()
    passed = "".join([*map(holder.feed, pieces), holder.finish()])
    return passed, holder.held


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("", ""),
        ("It is 42.", "It is 42."),
        (CALL, ""),
        (f"Let me look.\n{CALL}", "Let me look.\n"),
        (f"{CALL}\n{CALL} and more <tool", ""),
        ("a <tool_cal", "a <tool_cal"),
        ("a < b <tool b", "a < b <tool b"),
        ("write `<tool_call>` to call", "write `<tool_call>` to call"),
    ],
)
def test_at_every_cut(text: str, passed: str) -> None:
    """However the answer is cut, its calls are held from the first tag on, and nothing else."""
    for pieces in every_cut(text):
        assert hold(pieces) == (passed, text[len(passed) :])


def test_text_is_not_held_without_need() -> None:
    """Text goes out at once, and a beginning of the tag when it turns out to be none."""
    holder = ToolCallHolder()
    assert [holder.feed(text) for text in ("It ", "is <", "tool", " 42")] == [
        "It ",
        "is ",
        "",
        "<tool 42",
    ]


@given(cut_texts(STUFF))
def test_nothing_is_lost(pieces: list[str]) -> None:
    """What is given out and what is held are the answer, and the held part begins with the tag."""
    passed, held = hold(pieces)
    assert passed + held == "".join(pieces)
    assert held.startswith(OPEN) or not held


def test_linear() -> None:
    """A long answer costs in proportion to its length, one character at a time."""
    assert_linear(lambda n: hold(list("a<" * n)))


@pytest.mark.parametrize(
    ("template", "known"),
    [
        ("", False),
        ("{{ messages }}", False),
        ("<tool_call>", False),
        ("{{ tools }} <tool_call>{name, arguments}</tool_call>", True),
    ],
)
def test_templates_that_call_tools(template: str, known: bool) -> None:
    """A template is known by the tag and the key that it tells its model to write."""
    assert calls_tools(template) is known
