"""Splits a stream of text at literal tags.

How it works
------------
`feed` appends the new text to what is held back and looks for complete tags with one compiled
pattern. What follows the last tag is given out at once, except a suffix that may still become a
tag: at most one character less than the longest tag. Nothing is scanned twice but that suffix, so
a reply costs time linear in its length, however it is cut.

A tag between two backticks is a tag that the model writes about (`</think>` in a sentence on
templates), not one that it uses, and stays text. Only a tag behind a backtick waits for the
character after it.
"""

import re
from collections.abc import Sequence

Piece = tuple[str, bool]
"""A piece of text, and whether it is a tag."""

_QUOTE = "`"


class TagSplitter:
    """Finds any of `tags` in text that arrives in pieces.

    Raises:
        ValueError: a tag is empty, or part of another one, so that which is found would depend on
            how the text is cut.
    """

    def __init__(self, tags: Sequence[str]) -> None:
        for tag in tags:
            if not tag or any(other != tag and tag in other for other in tags):
                raise ValueError(f"tag {tag!r} is empty or part of another tag")
        self._tags = tuple(tags)
        self._pattern = re.compile("|".join(map(re.escape, tags))) if tags else None
        self._starts = frozenset(tag[0] for tag in tags)
        self._reach = max(map(len, tags), default=1) - 1
        self._held = ""
        self._before = ""

    def feed(self, text: str) -> list[Piece]:
        """Take the next text; return what is decided by now, in order, empty pieces left out."""
        if not self._held and self._starts.isdisjoint(text):
            self._before = text[-1:] or self._before
            return [(text, False)] if text else []
        return self._split(self._held + text, final=False)

    def finish(self) -> list[Piece]:
        """The text is over: return what was held back."""
        return self._split(self._held, final=True)

    def _split(self, text: str, *, final: bool) -> list[Piece]:
        pieces: list[Piece] = []
        done = 0
        hold = len(text) if final else len(text) - self._pending(text)
        for match in self._pattern.finditer(text) if self._pattern else ():
            start, end = match.span()
            if (text[start - 1] if start else self._before) == _QUOTE:
                if end == len(text) and not final:
                    hold = start
                    break
                if text[end : end + 1] == _QUOTE:
                    continue
            if start > done:
                pieces.append((text[done:start], False))
            pieces.append((match.group(), True))
            done = end
        if hold > done:
            pieces.append((text[done:hold], False))
            done = hold
        self._held = text[done:]
        self._before = text[done - 1 : done] or self._before
        return pieces

    def _pending(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a tag."""
        for length in range(min(self._reach, len(text)), 0, -1):
            suffix = text[-length:]
            if suffix[0] in self._starts and any(tag.startswith(suffix) for tag in self._tags):
                return length
        return 0
