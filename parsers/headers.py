"""What the header of a harmony message says (see `channels.py`)."""

import re
from dataclasses import dataclass, replace

_FUNCTIONS = "functions."
_RECIPIENT = re.compile(r"(?:^|[\s>])to=([^\s<]+)")
_WORD = re.compile(r"\s*[^\s<]*\s*")


@dataclass(frozen=True, slots=True)
class Header:
    """One header.

    Attributes:
        role: who writes; '' if nobody is named.
        channels: every channel that is named; exactly one where the header is sound.
        recipient: whom the message goes to; '' if nobody is named.
        length: where text begins that stands in the header because its end is missing: behind its
            last mark, and in a `final` behind the word that belongs to the mark.
    """

    role: str
    channels: tuple[str, ...]
    recipient: str
    length: int

    @property
    def function(self) -> str:
        """The function's name if the message calls one, else ''."""
        prefixed = self.recipient.startswith(_FUNCTIONS)
        return self.recipient.removeprefix(_FUNCTIONS) if prefixed else ""

    @property
    def answers(self) -> bool:
        """Whether the message's text is answer, should nobody read its call."""
        if self.recipient and not self.function:
            return False
        if not self.channels:
            return self.role == "assistant"
        return self.channels in (("final",), ("commentary",))

    @property
    def is_final(self) -> bool:
        """Whether it is beyond doubt that the answer follows."""
        return self.channels == ("final",) and not self.recipient


def read_header(text: str, *, start: str, channel: str, constrain: str) -> Header:
    """Read a header, as far as it is written.

    Args:
        text: what stands before `<|message|>`.
        start: the mark that may begin it.
        channel: the mark before a channel's name.
        constrain: the mark before the type of what follows.
    """
    role, *named = text.removeprefix(start).split(channel)
    recipient = _RECIPIENT.search(text)
    marks = (start, channel, constrain)
    length = max(text.rfind(mark) + len(mark) if mark in text else 0 for mark in marks)
    header = Header(
        _first_word(role),
        tuple(map(_first_word, named)),
        recipient.group(1) if recipient else "",
        length,
    )
    word = _WORD.match(text, length) if header.is_final else None
    return replace(header, length=word.end()) if word else header


def _first_word(text: str) -> str:
    """Up to white space or a mark."""
    return "".join(text.partition("<")[0].split()[:1])
