"""Counts the tokens on either side of a position in a reply's text.

Tokens arrive in pieces, several at a time when the reader is slow or a draft model guessed well,
and boundaries (a closing tag, a stop string) are known by their position in the text. The ledger
keeps the pieces that a boundary may still fall into, and asks for the split of a piece only when
one falls inside it: so the count does not depend on how the reply was cut.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Covering = Callable[[Sequence[int], int], int]
"""(token ids, n) -> how many leading tokens it takes to write the first n characters."""


@dataclass(frozen=True, slots=True)
class _Entry:
    text_end: int
    tokens_end: int
    text_length: int
    token_ids: Sequence[int]


class TokenLedger:
    """One reply's tokens by position.

    Args:
        covering: splits a piece (see `Covering`).
    """

    def __init__(self, covering: Covering) -> None:
        self._covering = covering
        self._entries: deque[_Entry] = deque()
        self._text_end = 0
        self.tokens = 0

    def add(self, text: str, token_ids: Sequence[int]) -> None:
        """Take a piece: its text, possibly empty, and its tokens."""
        self._text_end += len(text)
        self.tokens += len(token_ids)
        self._entries.append(_Entry(self._text_end, self.tokens, len(text), token_ids))

    def cut(self, at: int) -> int:
        """How many tokens, from the reply's start, it takes to write the first `at` characters.

        `at` must not lie before a position that was given to `forget`.
        """
        before = 0
        for entry in self._entries:
            before = entry.tokens_end - len(entry.token_ids)
            if entry.text_end < at:
                continue
            start = entry.text_end - entry.text_length
            if at <= start:
                return before
            if at == entry.text_end and len(entry.token_ids) == 1:
                return entry.tokens_end
            return before + self._covering(entry.token_ids, at - start)
        return self.tokens

    def forget(self, position: int) -> None:
        """No boundary will fall before `position` any more: drop what only they would need."""
        while self._entries and self._entries[0].text_end < position:
            self._entries.popleft()
