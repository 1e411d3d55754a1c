"""Events from bytes, at every cut."""

import pytest

from client.openai.sse import EventReader

STREAM = (
    b": ping\n\nevent: x\r\ndata: one\r\n\r\ndata:two\ndata: lines\n\n\n"
    + "data: zwölf\n\ndata: unfinished".encode()
)
EVENTS = [b"one", b"two\nlines", "zwölf".encode()]


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_events_do_not_depend_on_cuts(size: int) -> None:
    """Whatever the network cuts, the events are the same; an unfinished one is none."""
    reader = EventReader()
    events = []
    for start in range(0, len(STREAM), size):
        events += reader.feed(STREAM[start : start + size])
    assert events == EVENTS
