"""A bounded number of things at once.

How it works: there are as many workers as things may be under way, and all of them draw from one
iterator. A worker takes the next item as soon as its last is done, so a slow reply holds up nobody
else, and an iterator that ends early ends all the work: what is under way is still finished.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


async def run_pool(
    items: Iterable[Item], concurrency: int, work: Callable[[Item], Awaitable[None]]
) -> None:
    """Await `work(item)` of every item, `concurrency` of them at once at most.

    Raises:
        Exception: what a call of `work` raised first; those beside it are cancelled.
    """
    waiting = iter(items)

    async def draw() -> None:
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(draw())
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
