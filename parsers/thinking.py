"""Splits a reply into thinking and answer.

How it works
------------
`TagSplitter` finds the tags; this is the state machine behind it, which is either inside a think
block or outside.

- Outside, an opening tag begins a block, at the start of the reply or later. White space before
  a first block belongs to its tag (GLM writes a newline there) and is dropped with it.
- Inside, a closing tag ends the block. An opening tag there is text, unless it is the first thing
  that the model writes: templates that prefill the tag see it repeated.
- The run of newlines right behind a closing tag is dropped; no other text ever is.
- A closing tag outside is dropped: the block that it closed was never opened in this reply.
- What is unfinished at the end is text of the side that it was on.

Events carry positions in the text as generated, so dropping loses no count.
"""

from parsers.events import Answer, Event, Thinking, ThinkingEnd, ThinkingStart
from parsers.formats import ThinkingFormat
from parsers.tags import TagSplitter

_LONGEST_BLANK = 16
"""White space at the start of a reply is held back up to this many characters."""


class ThinkingParser:
    """Parses one reply.

    Args:
        family: the marks to look for.
        inside: the prompt ended inside a think block (see `formats.starts_inside`).
    """

    def __init__(self, family: ThinkingFormat, *, inside: bool = False) -> None:
        self._family = family
        self._splitter = TagSplitter(family.tags)
        self._inside = inside
        self._at = 0
        self._fresh = bool(family.tags)
        self._blank = ""
        self._after_close = False

    @property
    def inside(self) -> bool:
        """Whether what was decided last is thinking."""
        return self._inside

    @property
    def position(self) -> int:
        """How many characters of the text as generated are decided."""
        return self._at - len(self._blank)

    def feed(self, text: str) -> list[Event]:
        """Take the next text as generated; return what is decided by now."""
        events: list[Event] = []
        for piece, is_tag in self._splitter.feed(text):
            self._take(piece, is_tag, events)
        return events

    def finish(self) -> list[Event]:
        """The reply is over: return what was held back."""
        events: list[Event] = []
        for piece, is_tag in self._splitter.finish():
            self._take(piece, is_tag, events)
        self._release_blank(self._at, events)
        return events

    def _take(self, piece: str, is_tag: bool, events: list[Event]) -> None:
        at = self._at
        self._at += len(piece)
        if is_tag and piece == self._family.close:
            self._close(at, events)
        elif is_tag and (self._fresh or not self._inside):
            self._open(at, events)
        elif self._inside:
            self._fresh = self._fresh and piece.isspace()
            events.append(Thinking(piece, at))
        else:
            self._answer(piece, at, events)

    def _open(self, at: int, events: list[Event]) -> None:
        if not self._inside:
            events.append(ThinkingStart(at - len(self._blank)))
        self._inside = True
        self._fresh = self._after_close = False
        self._blank = ""

    def _close(self, at: int, events: list[Event]) -> None:
        self._release_blank(at, events)
        if self._inside:
            events.append(ThinkingEnd(self._at))
        self._inside = self._fresh = False
        self._after_close = True

    def _answer(self, piece: str, at: int, events: list[Event]) -> None:
        if self._after_close:
            trimmed = piece.lstrip("\r\n")
            at += len(piece) - len(trimmed)
            piece = trimmed
            self._after_close = not piece
        if self._fresh:
            at -= len(self._blank)
            piece = self._blank + piece
            self._blank = ""
            if piece.isspace() and len(piece) <= _LONGEST_BLANK:
                self._blank = piece
                return
            self._fresh = False
        if piece:
            events.append(Answer(piece, at))

    def _release_blank(self, end: int, events: list[Event]) -> None:
        if self._blank:
            events.append(Answer(self._blank, end - len(self._blank)))
            self._blank = ""
