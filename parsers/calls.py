"""Tells tool calls that are written into the answer from the rest of it.

How it works
------------
Models of the Hermes family (Qwen3 among them) write a call as `<tool_call>{json}</tool_call>` into
the answer. What stands before the first opening mark is answer as it comes, but for a suffix that
may still become the mark. From there on all is `ToolCallText`. Reading it is vLLM's business.

The answer that arrives may have gaps, where the parser before dropped something. So the runs of
text that are held back are remembered with their places, and no event spans a gap.
"""

from collections import deque

from parsers.events import Answer, Event, ToolCallText
from parsers.tags import Piece, TagSplitter


class CallSplitter:
    """Takes one answer.

    Args:
        mark: what a call begins with.
    """

    def __init__(self, mark: str) -> None:
        self._splitter = TagSplitter((mark,))
        self._runs: deque[tuple[int, int]] = deque()
        self._calling = False

    def held_from(self, default: int) -> int:
        """Where the text that is held back begins; `default` if there is none."""
        return self._runs[0][0] if self._runs else default

    def feed(self, text: str, start: int) -> list[Event]:
        """Take the answer's next text, which stands at `start`; return what is decided by now."""
        end = start + len(text)
        if self._calling:
            return [ToolCallText(text, start, end)]
        self._runs.append((start, end))
        events = self._place(self._splitter.feed(text))
        return events + self.finish() if self._calling else events

    def finish(self) -> list[Event]:
        """No mark can go on here: return what was held back. More answer may follow."""
        return self._place(self._splitter.finish())

    def _place(self, pieces: list[Piece]) -> list[Event]:
        events: list[Event] = []
        for text, is_mark in pieces:
            self._calling = self._calling or is_mark
            kind = ToolCallText if self._calling else Answer
            while text:
                start, end = self._runs.popleft()
                placed, text = text[: end - start], text[end - start :]
                events.append(kind(placed, start, start + len(placed)))
                if start + len(placed) < end:
                    self._runs.appendleft((start + len(placed), end))
        return events
