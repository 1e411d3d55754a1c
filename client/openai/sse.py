"""Server-sent events from bytes, at whatever borders the network has cut them.

Only what OpenAI's streams use of the WHATWG specification (HTML, section 9.2): events end at an
empty line, `data:` lines are their content, comments and other fields are skipped. A line ends with
LF or CRLF; a lone CR, which the specification allows and no such server sends, does not end one.
"""


class EventReader:
    """`feed(bytes)` gives the data of each event that is now complete."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._data: list[bytes] = []

    def feed(self, received: bytes) -> list[bytes]:
        """Take the next bytes; return the data of the events that they complete."""
        *lines, rest = received.split(b"\n")
        events: list[bytes] = []
        for line in lines:
            if self._pieces:
                line = b"".join((*self._pieces, line))
                self._pieces.clear()
            self._take(line.removesuffix(b"\r"), events)
        if rest:
            self._pieces.append(rest)
        return events

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
        elif line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
