"""Counts the tokens on either side of a position in a reply's text.

Tokens arrive in pieces, several at a time when the reader is slow or a draft model guessed well,
and boundaries (a closing tag, a stop string) are known by their position in the text. The ledger
keeps the pieces that a boundary may still fall into, and has a piece taken apart once, when the
first one falls inside it: so the count does not depend on how the reply was cut, and a piece with
many boundaries costs no more than one with a few.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

TextEnds = Callable[[Sequence[int], Sequence[int]], Sequence[int]]
"""(tokens before, tokens) -> for each of the tokens, how many characters are written with it.

The tokens before are there because a character may begin in one of them."""


@dataclass(slots=True)
class _Piece:
    text_start: int
    text_end: int
    tokens_start: int
    before: Sequence[int]
    token_ids: Sequence[int]
    ends: Sequence[int] | None = None


class TokenLedger:
    """One reply's tokens by position.

    Args:
        text_ends: takes a piece apart (see `TextEnds`).

    Attributes:
        tokens: how many there are so far.
    """

    def __init__(self, text_ends: TextEnds) -> None:
        self._text_ends = text_ends
        self._pieces: deque[_Piece] = deque()
        self._text_end = 0
        self._last: Sequence[int] = ()
        self._silent: list[int] = []
        self.tokens = 0

    def add(self, text: str, token_ids: Sequence[int]) -> None:
        """Take a piece: its text, possibly empty, and its tokens."""
        self.tokens += len(token_ids)
        if not text:
            # Parts of a character that is not whole yet: they belong to the text that it is in.
            self._silent.extend(token_ids)
            return
        if self._silent:
            token_ids = [*self._silent, *token_ids]
            self._silent.clear()
        start, self._text_end = self._text_end, self._text_end + len(text)
        tokens_start = self.tokens - len(token_ids)
        piece = _Piece(start, self._text_end, tokens_start, self._last, token_ids)
        self._pieces.append(piece)
        self._last = token_ids

    def cut(self, at: int) -> int:
        """How many tokens, from the reply's start, it takes to write the first `at` characters.

        `at` must not lie before a position that was given to `forget`.
        """
        for piece in self._pieces:
            if at <= piece.text_start:
                return piece.tokens_start
            if at <= piece.text_end:
                return piece.tokens_start + self._inside(piece, at - piece.text_start)
        return self.tokens - len(self._silent) if at <= self._text_end else self.tokens

    def forget(self, position: int) -> None:
        """No boundary will fall before `position` any more: drop what only they would need."""
        while self._pieces and self._pieces[0].text_end < position:
            self._pieces.popleft()

    def _inside(self, piece: _Piece, length: int) -> int:
        if len(piece.token_ids) <= 1:
            return len(piece.token_ids)
        if piece.ends is None:
            piece.ends = self._text_ends(piece.before, piece.token_ids)
        return min(bisect_left(piece.ends, length) + 1, len(piece.token_ids))
