"""`parsers.offsets`: how many tokens stand before a position, however the reply was cut."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.offsets import TokenOffsets
from tests.parsers.cuts import assert_linear


def offsets_of(lengths: Sequence[int], cuts: Sequence[int] = ()) -> TokenOffsets:
    """Offsets that were given tokens of these lengths in pieces that end at `cuts`."""
    offsets = TokenOffsets()
    for start, end in pairwise((0, *cuts, len(lengths))):
        offsets.extend(lengths[start:end])
    return offsets


def naive(lengths: Sequence[int], at: int) -> int:
    """The same count, by writing token after token."""
    written = count = 0
    while written < at and count < len(lengths):
        written += lengths[count]
        count += 1
    return count


@st.composite
def replies(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Tokens' lengths, those that write nothing included, and where pieces of them end."""
    lengths = draw(st.lists(st.integers(0, 4), max_size=20))
    lengths *= draw(st.sampled_from([1, 50]))
    return lengths, sorted(draw(st.lists(st.integers(0, len(lengths)), max_size=8)))


@pytest.mark.parametrize("cuts", [[], [1], [2], [1, 2], [0, 1, 1, 2, 3]], ids=str)
@pytest.mark.parametrize(
    ("at", "count"), [(0, 0), (1, 1), (3, 1), (4, 3), (5, 3), (6, 4), (7, 4)], ids=str
)
def test_token_counts_where_it_writes(at: int, count: int, cuts: list[int]) -> None:
    """A token counts from its first character on; if it writes nothing, with the next one."""
    assert offsets_of([3, 0, 2, 0], cuts).cut(at) == count


@given(replies())
def test_cut_equals_naive_count(reply: tuple[list[int], list[int]]) -> None:
    """At every position the count is the same as over all tokens in one row."""
    lengths, cuts = reply
    offsets = offsets_of(lengths, cuts)
    assert (offsets.tokens, offsets.length) == (len(lengths), sum(lengths))
    for at in range(sum(lengths) + 2):
        assert offsets.cut(at) == naive(lengths, at)


@given(replies(), st.data())
def test_forgetting_changes_no_count(
    reply: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    """What is forgotten is never missed by a later position."""
    lengths, cuts = reply
    offsets, written = offsets_of(lengths, cuts), sum(lengths)
    for position in sorted(data.draw(st.lists(st.integers(0, written), max_size=3))):
        offsets.forget(position)
        assert (offsets.tokens, offsets.length) == (len(lengths), written)
        for at in {position, position + 1, written, written + 1}:
            assert at < position or offsets.cut(at) == naive(lengths, at)


@given(replies())
def test_forgetting_as_it_goes(reply: tuple[list[int], list[int]]) -> None:
    """A reader that forgets all it has read counts right up to the end of every piece."""
    lengths, cuts = reply
    offsets, written = TokenOffsets(), 0
    for start, end in pairwise((0, *cuts, len(lengths))):
        offsets.extend(lengths[start:end])
        assert offsets.cut(written) == naive(lengths, written)
        written += sum(lengths[start:end])
        assert offsets.cut(written) == naive(lengths, written)
        offsets.forget(written)


def test_beyond_the_end() -> None:
    """A position that is not written yet takes all tokens there are."""
    offsets = TokenOffsets()
    assert (offsets.cut(0), offsets.cut(5)) == (0, 0)
    offsets.extend([1, 0])
    assert offsets.cut(5) == 2
    offsets.forget(5)
    assert offsets.cut(5) == 2


def test_lengths_may_come_from_anywhere() -> None:
    """Any iterable of lengths does, an empty one, too."""
    offsets = TokenOffsets()
    offsets.extend(length for length in (2, 1))
    offsets.extend(())
    assert (offsets.tokens, offsets.length, offsets.cut(3)) == (2, 3, 2)


@pytest.mark.parametrize("lengths", [[1], [0, 0, 0, 1]], ids=["one each", "mostly nothing"])
def test_memory_is_bounded(lengths: list[int]) -> None:
    """However long the reply, little is kept of what the parser has decided."""
    offsets = TokenOffsets()
    for _ in range(10_000):
        offsets.extend(lengths)
        offsets.forget(offsets.length)
    assert offsets.tokens == 10_000 * len(lengths)
    assert len(offsets._ends) <= 512


@pytest.mark.parametrize("lag", [0, 1000], ids=["all decided", "much undecided"])
@pytest.mark.parametrize("lengths", [[1], [0, 0, 0, 1]], ids=["one each", "mostly nothing"])
def test_linear(lengths: list[int], lag: int) -> None:
    """Cutting at every token takes work in proportion to the tokens."""

    def cut_everywhere(size: int) -> None:
        offsets = TokenOffsets()
        for length in lengths * (size // len(lengths)):
            offsets.extend([length])
            offsets.cut(offsets.length)
            offsets.forget(offsets.length - lag)

    assert_linear(cut_everywhere)
