"""Turns in a shared event loop."""

import asyncio

import pytest
from engine.turns import in_turns

pytestmark = pytest.mark.anyio


async def test_others_get_their_turn() -> None:
    """A loop around something that never suspends lets others run all the same."""
    others = 0

    async def ready() -> int:
        return 1

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    take, taken = in_turns(ready), 0
    task = asyncio.get_running_loop().create_task(other())
    while others < 3:
        taken += await take()
        assert taken < 10_000_000
    task.cancel()


async def test_it_takes_what_there_is() -> None:
    """Results and failures come through as they are."""

    async def fails() -> None:
        raise RuntimeError("as it is")

    with pytest.raises(RuntimeError, match="as it is"):
        await in_turns(fails)()
