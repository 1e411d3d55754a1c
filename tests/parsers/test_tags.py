"""`parsers.tags`: literal tags in text that arrives in pieces."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.families import FAMILIES
from parsers.tags import Piece, TagSplitter
from tests.parsers.cuts import assert_linear, cut_texts, every_cut, joined

TAGS = ("<think>", "</think>")
STUFF = joined("<think>", "</think>", "<", "<thi", "/", "`", "``", ">", "think>", "a", "\n", "😀")
TAG_SETS = st.lists(st.text("<ab", min_size=1, max_size=4), min_size=1, max_size=3)


def split(tags: Sequence[str], pieces: Sequence[str]) -> list[Piece]:
    """All that a splitter makes of `pieces`, neighbouring texts joined."""
    splitter = TagSplitter(tags)
    found = [piece for text in pieces for piece in splitter.feed(text)] + splitter.finish()
    assert all(text for text, _ in found)
    joined_texts: list[Piece] = []
    for text, is_tag in found:
        if joined_texts and not is_tag and not joined_texts[-1][1]:
            text = joined_texts.pop()[0] + text
        joined_texts.append((text, is_tag))
    return joined_texts


def quoted(text: str, start: int, end: int) -> bool:
    """Whether a tag there stands in a code span that ends soon on its line."""
    line = text[text.rfind("\n", 0, start) + 1 : start]
    is_open = len(re.findall("`+", line)) % 2 == 1
    return is_open and "`" in text[end : end + 80].partition("\n")[0]


def naive(tags: Sequence[str], text: str) -> list[Piece]:
    """The same, by looking for a tag at every place of the whole text."""
    found: list[Piece] = []
    plain, place = "", 0
    while place < len(text):
        tag = next((tag for tag in tags if text.startswith(tag, place)), "")
        if not tag or quoted(text, place, place + len(tag)):
            plain += tag or text[place]
        else:
            found += [(plain, False)] * bool(plain) + [(tag, True)]
            plain = ""
        place += len(tag) or 1
    return found + [(plain, False)] * bool(plain)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        pytest.param("a<think>b", [("a", False), ("<think>", True), ("b", False)], id="tag"),
        pytest.param("</think><think>", [("</think>", True), ("<think>", True)], id="neighbours"),
        pytest.param("<<think>>", [("<", False), ("<think>", True), (">", False)], id="brackets"),
        pytest.param("<thi<think>", [("<thi", False), ("<think>", True)], id="false start"),
        pytest.param("a<think", [("a<think", False)], id="unfinished"),
        pytest.param("`<think>`", [("`<think>`", False)], id="quoted"),
        pytest.param("`<think>", [("`", False), ("<think>", True)], id="quoted at the end"),
        pytest.param("`a <think>b`", [("`a <think>b`", False)], id="in a code span"),
        pytest.param("`<think>…</think>`", [("`<think>…</think>`", False)], id="quoted pair"),
        pytest.param("``<think>``", [("``<think>``", False)], id="long ticks"),
        pytest.param(
            "`a`<think>`b`", [("`a`", False), ("<think>", True), ("`b`", False)], id="between spans"
        ),
        pytest.param(
            "`<think>\n`", [("`", False), ("<think>", True), ("\n`", False)], id="line ends first"
        ),
        pytest.param(
            "`\n<think>`", [("`\n", False), ("<think>", True), ("`", False)], id="other line"
        ),
        pytest.param(
            f"`<think>{'a' * 80}`",
            [("`", False), ("<think>", True), ("a" * 80 + "`", False)],
            id="too far",
        ),
        pytest.param(f"`<think>{'a' * 79}`", [(f"`<think>{'a' * 79}`", False)], id="just in time"),
        pytest.param("", [], id="empty"),
    ],
)
def test_tags_are_found_at_any_cut(text: str, pieces: list[Piece]) -> None:
    """Tags and text come out in order, however the text is cut."""
    for cut in every_cut(text):
        assert split(TAGS, cut) == pieces


@pytest.mark.parametrize(
    "tag", sorted({mark for row in FAMILIES.values() for mark in row.mark_literals})
)
def test_every_prefix_is_held_back(tag: str) -> None:
    """No proper prefix of a tag is given out before what follows tells that it is none."""
    for length in range(1, len(tag)):
        splitter = TagSplitter([tag])
        assert splitter.feed("a" + tag[:length]) == [("a", False)]
        assert splitter.feed("\n") == [(tag[:length] + "\n", False)]


@given(cut_texts(STUFF))
def test_splitter_equals_naive_search(pieces: list[str]) -> None:
    """In any cutting the outcome is what a search of the whole text finds."""
    assert split(TAGS, pieces) == naive(TAGS, "".join(pieces))


@settings(max_examples=500)
@given(TAG_SETS, cut_texts(st.text("<ab`")))
def test_any_tags(tags: list[str], pieces: list[str]) -> None:
    """Whatever the tags: they are refused, or found wherever the text is cut."""
    try:
        TagSplitter(tags)
    except ValueError:
        return
    assert split(tags, pieces) == naive(tags, "".join(pieces))


@given(cut_texts(STUFF))
def test_little_is_held_back(pieces: list[str]) -> None:
    """What is held back is the beginning of a tag, or one in a code span and what follows it."""
    splitter, fed, given_out = TagSplitter(TAGS), "", ""
    for text in pieces:
        fed += text
        given_out += "".join(piece for piece, _ in splitter.feed(text))
        held = fed[len(given_out) :]
        assert fed.startswith(given_out)
        if not any(tag.startswith(held) for tag in TAGS):
            tag = next(tag for tag in TAGS if held.startswith(tag))
            assert len(held) < len(tag) + 80
            assert "`" in given_out


@settings(max_examples=50)
@given(cut_texts(STUFF))
def test_no_tags(pieces: list[str]) -> None:
    """Without tags every piece passes through as it came."""
    splitter = TagSplitter(())
    for text in pieces:
        assert splitter.feed(text) == ([(text, False)] if text else [])
    assert splitter.finish() == []


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param([""], id="empty"),
        pytest.param(["<think>", ""], id="one empty"),
        pytest.param(["<think>", "<thi"], id="beginning"),
        pytest.param(["<think>", "think"], id="middle"),
    ],
)
def test_ambiguous_tags_are_refused(tags: list[str]) -> None:
    """A tag that is empty, or part of another, would depend on how the text is cut."""
    with pytest.raises(ValueError, match="is empty or part of another tag"):
        TagSplitter(tags)


@pytest.mark.parametrize("cut", [list, lambda text: [text]], ids=["by character", "whole"])
@pytest.mark.parametrize(
    "unit", ["a", "<", "<think", "<think>", "</think>", "`<think>`", "`<think", "`<think>"]
)
def test_linear(unit: str, cut: type[list[str]]) -> None:
    """Four times the text takes four times the work, for the worst of texts."""
    assert_linear(lambda size: split(TAGS, cut(unit * (size // len(unit)))))
