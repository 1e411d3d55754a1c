"""Thinking in the text of servers that do not split it: `<think>…</think>`, `<|thinking|>…`.

How it works: a tag opens thinking only where a reply begins, white space aside: later on it is what
the model talks about. Text that may still become a tag is held back, and no more than that. Some
templates write the opening tag into the prompt, so that a reply begins inside thinking and shows a
closing tag only: then all before it was thinking, which `split_whole` knows and a stream learns too
late (`TagSplitter.unopened`).
"""

from dataclasses import dataclass

_PAIRS = {"<think>": "</think>", "<|thinking|>": "<|/thinking|>"}


@dataclass(frozen=True, slots=True)
class Parts:
    thinking: str = ""
    answer: str = ""

    def __bool__(self) -> bool:
        return bool(self.thinking or self.answer)


class TagSplitter:
    """Splits one reply as it comes.

    Attributes:
        unopened: whether a closing tag came although none was opened.
    """

    def __init__(self) -> None:
        self.unopened = False
        self._held = ""
        self._closing = ""
        self._begun = False
        self._trim = False
        self._opened = False

    def feed(self, text: str) -> Parts:
        """Take the next text; return what is certain now."""
        self._held += text
        thinking, answer = "", ""
        if not self._begun:
            self._begin()
        if self._begun and self._closing:
            thinking = self._think()
        if self._begun and not self._closing:
            answer = self._answer()
        return Parts(thinking, answer)

    def finish(self) -> Parts:
        """Return what was held back: it became no tag."""
        held, self._held = self._held, ""
        return Parts(thinking=held) if self._closing else Parts(answer=held)

    def _begin(self) -> None:
        text = self._held.lstrip()
        opening = next((tag for tag in _PAIRS if text.startswith(tag)), None)
        if opening:
            self._opened, self._closing = True, _PAIRS[opening]
            self._held = text.removeprefix(opening)
        self._begun = bool(opening) or not any(tag.startswith(text) for tag in _PAIRS)

    def _think(self) -> str:
        thinking, closing, rest = self._held.partition(self._closing)
        if closing:
            self._held, self._closing, self._trim = rest, "", True
            return thinking
        kept = _may_become(self._held, self._closing)
        self._held = self._held[len(self._held) - kept :]
        return thinking[: len(thinking) - kept]

    def _answer(self) -> str:
        if self._trim:
            self._held = self._held.lstrip("\n")
            self._trim = not self._held
        kept = 0
        if not self._opened and not self.unopened:
            self._drop_closing()
            kept = max(_may_become(self._held, closing) for closing in _PAIRS.values())
        end = len(self._held) - kept
        answer, self._held = self._held[:end], self._held[end:]
        return answer

    def _drop_closing(self) -> None:
        for closing in _PAIRS.values():
            before, tag, after = self._held.partition(closing)
            if tag:
                self.unopened, self._held = True, before + after
                return


def split_whole(text: str) -> Parts:
    """Split a whole reply; without an opening tag, all before a closing one was thinking."""
    splitter = TagSplitter()
    first, last = splitter.feed(text), splitter.finish()
    if splitter.unopened and not first.thinking:
        place, closing = min((text.find(tag), tag) for tag in _PAIRS.values() if tag in text)
        return Parts(text[:place], text[place + len(closing) :].lstrip("\n"))
    return Parts(first.thinking + last.thinking, first.answer + last.answer)


def _may_become(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    longest = min(len(text), len(tag) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(tag[:n])), 0)
