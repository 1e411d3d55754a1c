"""`parsers.stops`: the stop string that completes first, and nothing of it given out."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.stops import StopMatch, StopMatcher
from tests.parsers.cuts import assert_linear, cut_texts, every_cut

Outcome = tuple[str, str | None, int]
"""Text given out, stop string, and where it ends in the whole text."""

STOPS = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=4)
LONG_STOPS = st.lists(st.text("ab", min_size=4, max_size=8), max_size=2)
TEXTS = cut_texts(st.text("ab\n😀", max_size=40) | st.text("ab", max_size=40))


def run(stops: Sequence[str], pieces: Sequence[str]) -> Outcome:
    """What a matcher makes of `pieces`; what it holds back is checked on the way."""
    matcher = StopMatcher(stops)
    given_out, fed = "", ""
    for piece in pieces:
        text, match = matcher.feed(piece)
        given_out += text
        if match:
            assert matcher.held == 0
            return given_out, match.stop, len(fed) + match.end
        fed += piece
        held = fed[len(fed) - matcher.held :]
        assert given_out + held == fed
        assert held == longest_beginning(stops, fed)
    return given_out + matcher.finish(), None, len(fed)


def longest_beginning(stops: Sequence[str], text: str) -> str:
    """The longest end of `text` that is a proper prefix of a stop string."""
    prefixes = {stop[:length] for stop in stops for length in range(len(stop))} | {""}
    return max((prefix for prefix in prefixes if text.endswith(prefix)), key=len)


def naive(stops: Sequence[str], text: str) -> Outcome:
    """The same, by looking at every beginning of the whole text."""
    for end in range(1, len(text) + 1):
        for stop in stops:
            if text[:end].endswith(stop):
                return text[: end - len(stop)], stop, end
    return text, None, len(text)


@pytest.mark.parametrize(
    ("stops", "text", "outcome"),
    [
        pytest.param([], "abc", ("abc", None, 3), id="no stops"),
        pytest.param(["x"], "", ("", None, 0), id="no text"),
        pytest.param(["x"], "abc", ("abc", None, 3), id="absent"),
        pytest.param(["b"], "abc", ("a", "b", 2), id="one character"),
        pytest.param(["abc"], "abc", ("", "abc", 3), id="nothing else"),
        pytest.param(["\n\n"], "a\n\n\nb", ("a", "\n\n", 3), id="longer run"),
        pytest.param(["abcd"], "xabc", ("xabc", None, 4), id="unfinished"),
        pytest.param(["aab"], "aaab", ("a", "aab", 4), id="restart inside"),
        pytest.param(["abab", "x"], "abaabab", ("aba", "abab", 7), id="fall back"),
        pytest.param(["aabc"], "aababc", ("aababc", None, 6), id="fall back to nothing"),
        pytest.param(["aabaaa"], "aabaabaaa", ("aab", "aabaaa", 9), id="fall back twice"),
        pytest.param(["abcd", "c"], "abcd", ("ab", "c", 3), id="shorter completes first"),
        pytest.param(["c", "abc"], "abc", ("ab", "c", 3), id="tie, short listed first"),
        pytest.param(["abc", "c"], "abc", ("", "abc", 3), id="tie, long listed first"),
        pytest.param(["ab", "ab"], "ab", ("", "ab", 2), id="listed twice"),
        pytest.param(["<|user|>"], "a<|us<|user|>b", ("a<|us", "<|user|>", 13), id="false start"),
        pytest.param(["停止"], "好停停止。", ("好停", "停止", 4), id="Chinese"),
        pytest.param(["👩‍💻"], "👩👩‍💻", ("👩", "👩‍💻", 4), id="joined emoji"),
        pytest.param(["."], "a.*.", ("a", ".", 2), id="no pattern"),
    ],
)
def test_first_to_complete_wins(stops: list[str], text: str, outcome: Outcome) -> None:
    """The stop string that completes first wins, the first listed of several, at any cut."""
    for pieces in every_cut(text):
        assert run(stops, pieces) == outcome


@settings(max_examples=500)
@given(STOPS | LONG_STOPS, TEXTS)
def test_matcher_equals_naive_search(stops: list[str], pieces: list[str]) -> None:
    """In any cutting the outcome is what a search of the whole text finds."""
    assert run(stops, pieces) == naive(stops, "".join(pieces))


def test_match_counts_from_the_last_text() -> None:
    """`end` is a position in the text fed last, though the stop string began before."""
    matcher = StopMatcher(["abc"])
    assert matcher.feed("xab") == ("x", None)
    assert matcher.held == 2
    assert matcher.feed("cd") == ("", StopMatch("abc", 1))
    assert matcher.finish() == ""


def test_finish_gives_out_what_was_held() -> None:
    """The beginning of a stop string that never came is answer."""
    matcher = StopMatcher(["abc"])
    assert matcher.feed("ab") == ("", None)
    assert (matcher.finish(), matcher.held, matcher.finish()) == ("ab", 0, "")


@pytest.mark.parametrize("cut", [list, lambda text: [text]], ids=["by character", "whole"])
@pytest.mark.parametrize(
    ("stops", "unit"),
    [
        pytest.param(["x" * 50], "a", id="nothing in common"),
        pytest.param(["a" * 50 + "b"], "a", id="all but the last"),
        pytest.param(["a" * 50 + "b"], "a" * 50 + "c", id="falls back all the way"),
        pytest.param(["ab" * 25 + "c", "ba" * 25 + "c"], "ab", id="two that alternate"),
        pytest.param(["\n\n\n"], "\n\na", id="newlines"),
    ],
)
def test_linear(stops: list[str], unit: str, cut: type[list[str]]) -> None:
    """Four times the text takes four times the work, for the worst of texts."""
    assert_linear(lambda size: _feed(stops, cut(unit * (size // len(unit)))))


def _feed(stops: list[str], pieces: list[str]) -> None:
    matcher = StopMatcher(stops)
    for piece in pieces:
        matcher.feed(piece)
