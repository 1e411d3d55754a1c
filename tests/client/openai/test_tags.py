"""Tags in the text, whole, character by character and at every split."""

import pytest

from client.openai.tags import Parts, TagSplitter, split_whole

CASES = {
    "think": ("<think>a</think>b", "a", "b"),
    "newlines": ("<think>\na\n</think>\n\nb\n", "\na\n", "b\n"),
    "thinking": ("<|thinking|>a<|/thinking|>b", "a", "b"),
    "white space before": (" \n<think>a</think>b", "a", "b"),
    "none": ("just < an <answer>", "", "just < an <answer>"),
    "unclosed": ("<think>a</thi", "a</thi", ""),
    "quoted later": ("b <think>a</think", "", "b <think>a</think"),
    "second pair": ("<think>a</think>b </think> c <think>", "a", "b </think> c <think>"),
    "empty": ("", "", ""),
    "empty block": ("<think>\n\n</think>\n\nb", "\n\n", "b"),
    "other family's closing": ("<think>a<|/thinking|>b</think>c", "a<|/thinking|>b", "c"),
}


def _split(*pieces: str) -> Parts:
    splitter = TagSplitter()
    parts = [splitter.feed(piece) for piece in pieces] + [splitter.finish()]
    return Parts("".join(p.thinking for p in parts), "".join(p.answer for p in parts))


@pytest.mark.parametrize(("text", "thinking", "answer"), CASES.values(), ids=CASES)
def test_every_split_says_the_same(text: str, thinking: str, answer: str) -> None:
    """However a reply is cut, its thinking and its answer are the same."""
    expected = Parts(thinking, answer)
    assert split_whole(text) == expected
    assert _split(*text) == expected
    for place in range(len(text) + 1):
        assert _split(text[:place], text[place:]) == expected


def test_closing_tag_alone_ends_thinking_of_a_whole_reply() -> None:
    """Where the template has opened the thinking, all before the closing tag is thinking."""
    assert split_whole("a</think>\n\nb") == Parts("a", "b")


def test_closing_tag_alone_is_told_in_a_stream() -> None:
    """A stream cannot take back what it has shown, but it says so and drops the tag."""
    splitter = TagSplitter()
    shown = "".join(splitter.feed(c).answer for c in "a</think>b") + splitter.finish().answer
    assert (shown, splitter.unopened) == ("ab", True)
