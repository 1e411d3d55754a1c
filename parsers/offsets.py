"""Which token wrote which character.

How it works
------------
Detokenising tells how many characters each token adds to the reply's text: none where it only
begins a character that a later token completes. Kept here is where the text ends with each token,
a list in ascending order, so that a boundary at any position is found by bisection. Positions that
the parser has decided are never asked for again, and their tokens are dropped from the list's
front: not at once, but when as many have come as were left the last time, so that dropping costs
each token a constant.
"""

from bisect import bisect_left
from collections.abc import Iterable

_FEWEST = 256
"""Up to this many tokens nothing is dropped."""


class TokenOffsets:
    """One reply's tokens by position.

    Attributes:
        length: how many characters they have written so far.
    """

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._dropped = 0
        self._enough = _FEWEST
        self.length = 0

    @property
    def tokens(self) -> int:
        """How many there are so far."""
        return self._dropped + len(self._ends)

    def extend(self, lengths: Iterable[int]) -> None:
        """Take new tokens: for each, how many characters its text has."""
        ends, end = self._ends, self.length
        for length in lengths:
            end += length
            ends.append(end)
        self.length = end

    def cut(self, at: int) -> int:
        """How many tokens, from the reply's start, it takes to write the first `at` characters.

        A token that writes nothing counts with the one that completes its character. It takes all
        tokens to write more than there is. `at` must not lie before a position given to `forget`.
        """
        if at <= 0:
            return 0
        return self._dropped + min(bisect_left(self._ends, at) + 1, len(self._ends))

    def forget(self, position: int) -> None:
        """No boundary will fall before `position` any more: drop what only they would need."""
        if len(self._ends) < self._enough:
            return
        past = bisect_left(self._ends, position)
        del self._ends[:past]
        self._dropped += past
        self._enough = max(_FEWEST, 2 * len(self._ends))
