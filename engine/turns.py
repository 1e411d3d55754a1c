"""Turns in the event loop that we share with vLLM's output task."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Output = TypeVar("Output")

_TURN_SECONDS = 0.03
"""Shorter, and there is little to merge: where we are too slow, each write costs throughput."""


def in_turns(take: Callable[[], Awaitable[Output]]) -> Callable[[], Awaitable[Output]]:
    """Make a loop around `take` leave the event loop to others after each turn.

    vLLM handles the engine's outputs one by one, and taking one that is there does not suspend:
    for as long as the engine is faster than we are nothing else runs, no stream is written and
    nobody notices that a client is gone. What piles up during a turn is merged.
    """
    begun = 0.0

    async def take_in_turn() -> Output:
        nonlocal begun
        if time.monotonic() - begun > _TURN_SECONDS:
            await asyncio.sleep(0)
            begun = time.monotonic()
        return await take()

    return take_in_turn
