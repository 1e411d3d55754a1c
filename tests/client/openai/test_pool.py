"""A bounded number of things at once."""

import asyncio
from collections.abc import Iterator

import pytest

from client.openai.pool import run_pool


def test_as_many_at_once_as_allowed() -> None:
    """The bound is reached and not exceeded, and each item is worked on once."""
    running, most, done = 0, 0, list[int]()

    async def work(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(item)

    asyncio.run(run_pool(range(20), 3, work))
    assert most == 3
    assert sorted(done) == list(range(20))


def test_a_slow_item_holds_up_nobody_else() -> None:
    """The first item ends only after all others have."""
    done: list[int] = []

    async def run() -> None:
        others = asyncio.Event()

        async def work(item: int) -> None:
            if item == 0:
                await others.wait()
            done.append(item)
            if len(done) == 9:
                others.set()

        async with asyncio.timeout(10):
            await run_pool(range(10), 2, work)

    asyncio.run(run())
    assert done == [*range(1, 10), 0]


def test_items_that_end_early_let_the_rest_finish() -> None:
    """An iterator may stop on what became of earlier items; nothing under way is lost."""
    done: list[int] = []

    def items() -> Iterator[int]:
        for item in range(10):
            if done:
                return
            yield item

    async def work(item: int) -> None:
        await asyncio.sleep(0)
        done.append(item)

    asyncio.run(run_pool(items(), 4, work))
    assert sorted(done) == [0, 1, 2, 3]


def test_an_error_ends_it_and_stays_itself() -> None:
    """What a call raised comes out as it is, and no more items are taken."""
    taken: list[int] = []

    async def work(item: int) -> None:
        taken.append(item)
        await asyncio.sleep(0)
        raise KeyError(item)

    with pytest.raises(KeyError, match="0"):
        asyncio.run(run_pool(range(10), 2, work))
    assert taken == [0, 1]
