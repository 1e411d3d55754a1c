"""How text is cut into pieces, and how much work it is to parse them."""

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations_with_replacement, pairwise
from types import FrameType
from typing import Any

from hypothesis import strategies as st

_SHORT = 80


def every_cut(text: str) -> Iterator[list[str]]:
    """`text` whole, character by character, in two at every place, and in three if it is short."""
    yield [text]
    yield list(text)
    for places in range(1, 3 if len(text) < _SHORT else 2):
        for cuts in combinations_with_replacement(range(len(text) + 1), places):
            yield _cut(text, cuts)


@st.composite
def cut_texts(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> list[str]:
    """A text in pieces, empty ones included."""
    text = draw(texts)
    if draw(st.booleans()):
        return list(text)
    return _cut(text, sorted(draw(st.lists(st.integers(0, len(text)), max_size=8))))


def _cut(text: str, places: Sequence[int]) -> list[str]:
    return [text[start:end] for start, end in pairwise((0, *places, len(text)))]


def joined(*fragments: str) -> st.SearchStrategy[str]:
    """Texts made of `fragments`, the stuff that boundaries are made of."""
    return st.lists(st.sampled_from(fragments), max_size=24).map("".join)


def work(task: Callable[[], object]) -> int:
    """What `task` costs the parsers, without a clock.

    Every line run is one, and every string that a function held when it returned is its length:
    so a loop counts, and so does a text that is searched or copied again by a single call.
    """
    cost = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal cost
        if frame.f_globals.get("__package__") != "parsers":
            return None
        cost += 1
        if event == "return":
            cost += sum(len(value) for value in frame.f_locals.values() if isinstance(value, str))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        task()
    finally:
        sys.settrace(before)
    return cost


def assert_linear(task: Callable[[int], object], size: int = 1000) -> None:
    """`task(n)` costs in proportion to n."""
    once, four_times = work(lambda: task(size)), work(lambda: task(4 * size))
    assert once > size
    assert four_times < 4.5 * once
