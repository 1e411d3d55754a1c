"""What the header of a harmony message says (see `channels.py`)."""

import re
from dataclasses import dataclass

_FUNCTIONS = "functions."
_RECIPIENT = re.compile(r"(?:^|[\s>])to=([^\s<]+)")


@dataclass(frozen=True, slots=True)
class Header:
    """One header.

    Attributes:
        role: who writes; '' if nobody is named.
        channels: every channel that is named; exactly one where the header is sound.
        recipient: whom the message goes to; '' if nobody is named.
    """

    role: str
    channels: tuple[str, ...]
    recipient: str

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


def read_header(text: str, *, start: str, channel: str) -> Header:
    """Read a header, as far as it is written.

    Args:
        text: what stands before `<|message|>`.
        start: the mark that may begin it.
        channel: the mark before a channel's name.
    """
    role, *named = text.removeprefix(start).split(channel)
    recipient = _RECIPIENT.search(text)
    return Header(
        _first_word(role),
        tuple(map(_first_word, named)),
        recipient.group(1) if recipient else "",
    )


def _first_word(text: str) -> str:
    """Up to white space or a mark."""
    return "".join(text.partition("<")[0].split()[:1])
