"""`parsers.ledger`: how many tokens stand before a position, however the reply was cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.ledger import TokenLedger
from tests.parsers.cuts import assert_linear


@dataclass
class Tokens:
    """A reply's tokens: token i writes `lengths[i]` characters."""

    lengths: Sequence[int]
    asked: int = 0

    def text_ends(self, before: Sequence[int], token_ids: Sequence[int]) -> Sequence[int]:
        """What the ledger asks to take a piece apart."""
        assert not before or before[-1] == token_ids[0] - 1
        self.asked += 1
        return list(accumulate(self.lengths[token] for token in token_ids))

    def naive(self, at: int) -> int:
        """What the ledger should say."""
        written = count = 0
        while written < at and count < len(self.lengths):
            written += self.lengths[count]
            count += 1
        return count


def ledger_of(tokens: Tokens, cuts: Sequence[int]) -> TokenLedger:
    """A ledger that was given `tokens` in pieces that end at `cuts`."""
    ledger = TokenLedger(tokens.text_ends)
    for start, end in pairwise((0, *cuts, len(tokens.lengths))):
        ledger.add("x" * sum(tokens.lengths[start:end]), range(start, end))
    return ledger


@st.composite
def replies(draw: st.DrawFn) -> tuple[Tokens, list[int]]:
    """Tokens, those that write nothing included, and where their pieces end."""
    lengths = draw(st.lists(st.integers(0, 4), max_size=20))
    return Tokens(lengths), sorted(draw(st.lists(st.integers(0, len(lengths)), max_size=8)))


@pytest.mark.parametrize("cuts", [[], [1], [2], [1, 2], [0, 1, 1, 2, 3]], ids=str)
@pytest.mark.parametrize(
    ("at", "count"),
    [(0, 0), (1, 1), (3, 1), (4, 3), (5, 3), (6, 3), (7, 3)],
    ids=lambda value: str(value),
)
def test_token_counts_where_it_writes(at: int, count: int, cuts: list[int]) -> None:
    """A token counts from its first character on; if it writes nothing, with the next one."""
    assert ledger_of(Tokens([3, 0, 2]), cuts).cut(at) == count


@given(replies())
def test_cut_equals_naive_count(reply: tuple[Tokens, list[int]]) -> None:
    """At every position the count is the same as over all tokens in one row."""
    tokens, cuts = reply
    ledger = ledger_of(tokens, cuts)
    assert ledger.tokens == len(tokens.lengths)
    for at in range(sum(tokens.lengths) + 1):
        assert ledger.cut(at) == tokens.naive(at)


@given(replies(), st.data())
def test_forgetting_changes_no_count(reply: tuple[Tokens, list[int]], data: st.DataObject) -> None:
    """What is forgotten is never missed by a later position."""
    tokens, cuts = reply
    ledger, written = ledger_of(tokens, cuts), sum(tokens.lengths)
    for position in sorted(data.draw(st.lists(st.integers(0, written), max_size=3))):
        ledger.forget(position)
        for at in range(position, written + 1):
            assert ledger.cut(at) == tokens.naive(at)


@given(replies())
def test_forgetting_as_it_goes(reply: tuple[Tokens, list[int]]) -> None:
    """A reader that forgets all it has read counts right up to the end of every piece."""
    tokens, cuts = reply
    ledger, written = TokenLedger(tokens.text_ends), 0
    for start, end in pairwise((0, *cuts, len(tokens.lengths))):
        length = sum(tokens.lengths[start:end])
        ledger.add("x" * length, range(start, end))
        for at in range(written, written + length + 1):
            assert ledger.cut(at) == tokens.naive(at)
        written += length
        ledger.forget(written)


def test_single_tokens_are_never_split() -> None:
    """Pieces of one token each are counted without taking them apart."""
    tokens = Tokens([2, 3, 1])
    ledger = ledger_of(tokens, [1, 2])
    assert [ledger.cut(at) for at in (0, 2, 5, 6)] == [0, 1, 2, 3]
    assert tokens.asked == 0


def test_a_piece_is_taken_apart_once() -> None:
    """However many boundaries fall inside it: a reply that comes whole may have thousands."""
    tokens = Tokens([2] * 1000)
    ledger = ledger_of(tokens, [])
    assert [ledger.cut(at) for at in range(0, 2001, 2)] == list(range(1001))
    assert tokens.asked == 1


def test_text_without_tokens() -> None:
    """Text that comes late belongs to the tokens before it."""
    ledger = TokenLedger(Tokens([1, 1]).text_ends)
    ledger.add("a", [0, 1])
    ledger.add("b", [])
    assert [ledger.cut(at) for at in range(3)] == [0, 1, 2]
    assert ledger.tokens == 2


def test_beyond_the_end() -> None:
    """A position that is not written yet takes all tokens there are."""
    ledger = TokenLedger(Tokens([1]).text_ends)
    assert ledger.cut(5) == 0
    ledger.add("a", [0])
    assert ledger.cut(5) == 1
    ledger.forget(5)
    assert ledger.cut(5) == 1


@pytest.mark.parametrize("lengths", [[1], [0, 0, 0, 1]], ids=["one each", "mostly nothing"])
def test_linear(lengths: list[int]) -> None:
    """Cutting at every character takes work in proportion to the tokens."""
    assert_linear(lambda size: _cut_everywhere(Tokens(lengths * (size // len(lengths)))))


def _cut_everywhere(tokens: Tokens) -> None:
    ledger, written = TokenLedger(tokens.text_ends), 0
    for token, length in enumerate(tokens.lengths):
        ledger.add("x" * length, [token])
        written += length
        ledger.cut(written)
        ledger.forget(written)
