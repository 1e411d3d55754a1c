"""Splits a stream of text at literal tags.

How it works
------------
`feed` appends the new text to what is held back and looks for complete tags with one compiled
pattern. What follows the last tag is given out at once, except a suffix that may still become a
tag: at most one character less than the longest tag. Nothing is scanned twice but that suffix, so
a reply costs time linear in its length, however it is cut.

A tag inside a code span, as in "`<think>` opens it" or "wrap it in `<think>…</think>`", is one that
the model writes about, not one that it uses, and stays text. A span is open where an odd number of
backtick runs stand before on the line; it is one if another backtick follows on that line, not too
far away. Only a tag in an open span waits for what follows it.
"""

import re
from collections.abc import Sequence

Piece = tuple[str, bool]
"""A piece of text, and whether it is a tag."""

_TICKS = re.compile("`+")
_SPAN_END = re.compile("[`\n]")
_LONGEST_SPAN = 80
"""How many characters behind a tag its code span has to end."""


class TagSplitter:
    """Finds any of `tags` in text that arrives in pieces.

    Args:
        tags: what to look for.
        code_spans: whether a tag in a code span is text.

    Raises:
        ValueError: a tag is empty, or part of another one, so that which is found would depend on
            how the text is cut.
    """

    def __init__(self, tags: Sequence[str], *, code_spans: bool = True) -> None:
        for tag in tags:
            if not tag or any(other != tag and tag in other for other in tags):
                raise ValueError(f"tag {tag!r} is empty or part of another tag")
        self._tags = tuple(tags)
        self._pattern = re.compile("|".join(map(re.escape, tags))) if tags else None
        self._starts = frozenset(tag[0] for tag in tags)
        self._reach = max(map(len, tags), default=1) - 1
        self._held = ""
        self._code_spans = code_spans
        self._in_span = False
        self._after_tick = False

    def feed(self, text: str) -> list[Piece]:
        """Take the next text; return what is decided by now, in order, empty pieces left out."""
        if not self._held and self._starts.isdisjoint(text):
            self._pass(text)
            return [(text, False)] if text else []
        return self._split(self._held + text, final=False)

    def finish(self) -> list[Piece]:
        """The text is over: return what was held back."""
        return self._split(self._held, final=True)

    def _split(self, text: str, *, final: bool) -> list[Piece]:
        pieces: list[Piece] = []
        done = passed = 0
        hold = len(text) if final else len(text) - self._pending(text)
        for match in self._pattern.finditer(text) if self._pattern else ():
            start, end = match.span()
            self._pass(text[passed:start])
            passed = start
            if self._in_span:
                quoted = _span_ends(text[end : end + _LONGEST_SPAN], final=final)
                if quoted is None:
                    hold = start
                    break
                if quoted:
                    continue
            if start > done:
                pieces.append((text[done:start], False))
            pieces.append((match.group(), True))
            done = end
        hold = max(hold, done)
        if hold > done:
            pieces.append((text[done:hold], False))
        self._pass(text[passed:hold])
        self._held = text[hold:]
        return pieces

    def _pass(self, text: str) -> None:
        """Text is behind us: keep track of whether a code span is open."""
        if not self._code_spans:
            return
        line_start = text.rfind("\n") + 1
        if line_start:
            self._in_span = self._after_tick = False
        runs = len(_TICKS.findall(text, line_start))
        if runs and self._after_tick and text[line_start] == "`":
            runs -= 1  # it goes on with the run that stood at the end
        self._in_span ^= runs % 2 == 1
        if line_start < len(text):
            self._after_tick = text[-1] == "`"

    def _pending(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a tag."""
        for length in range(min(self._reach, len(text)), 0, -1):
            suffix = text[-length:]
            if suffix[0] in self._starts and any(tag.startswith(suffix) for tag in self._tags):
                return length
        return 0


def _span_ends(text: str, *, final: bool) -> bool | None:
    """Whether a code span ends in `text`, on its first line; None while that is not decided."""
    found = _SPAN_END.search(text)
    if found:
        return found.group() == "`"
    return False if final or len(text) == _LONGEST_SPAN else None
