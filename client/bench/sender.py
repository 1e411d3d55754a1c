"""Sends a load to a server, and keeps what became of each request.

How it works: a run has one clock, which starts when its `Sender` is made. In a closed loop a pool
of `concurrency` workers sends the next request as soon as one of theirs ends. In an open loop each
request gets a task of its own when it is due, whatever the others do; if the event loop is late, so
is the request, and its attempt says by how much (`sent` - `planned`). An attempt is kept when its
request has ended, so they come in the order of their ends, and `send` puts them back in the load's.
No failure of a request ends the run.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from client.bench.load import Load
from client.bench.measures import Attempt
from client.openai.errors import ClientError
from client.openai.pool import run_pool
from client.openai.reply import ask
from client.openai.server import Server
from client.openai.types import Request


async def warm_up(server: Server, load: Load) -> None:
    """Send the requests that are not counted.

    Raises:
        ClientError: all of them failed: those that count would, too.
    """
    sender = Sender(server)
    await sender.closed(load.warmup, load.level.concurrency or len(load.warmup))
    failures = [attempt.error for attempt in sender.attempts if not attempt.reply]
    if failures and len(failures) == len(sender.attempts):
        raise ClientError(f"{server.base_url} answers no request: {failures[0]}")


async def send(
    server: Server, load: Load, done: Callable[[], None] = lambda: None
) -> tuple[list[Attempt], float]:
    """Send the requests that are counted.

    Args:
        server: whom to ask.
        load: what, and when.
        done: called as each request ends.

    Returns:
        One attempt a request, in the load's order, and how long all took, in seconds.
    """
    sender = Sender(server, done)
    if load.arrivals is None:
        await sender.closed(load.requests, load.level.concurrency or 1)
    else:
        await sender.open(load.requests, load.arrivals)
    duration = time.perf_counter() - sender.start
    return sorted(sender.attempts, key=lambda attempt: attempt.number), duration


class Sender:
    """Sends requests in either way, once.

    Attributes:
        start: when it was made, on `time.perf_counter`.
        attempts: of the requests that ended so far.
    """

    def __init__(self, server: Server, done: Callable[[], None] = lambda: None) -> None:
        self.start = time.perf_counter()
        self.attempts: list[Attempt] = []
        self._server = server
        self._done = done

    async def closed(self, requests: Iterable[Request], concurrency: int) -> None:
        """Keep so many requests at work until all are done."""
        await run_pool(enumerate(requests), concurrency, self._attempt)

    async def open(self, requests: Iterable[Request], arrivals: Iterable[float]) -> None:
        """Send each request when it is due, however many are still at work."""
        async with asyncio.TaskGroup() as group:
            for numbered, due in zip(enumerate(requests), arrivals, strict=True):
                await asyncio.sleep(max(0.0, self.start + due - time.perf_counter()))
                group.create_task(self._attempt(numbered, due))

    async def _attempt(self, numbered: tuple[int, Request], due: float | None = None) -> None:
        number, request = numbered
        sent = time.perf_counter() - self.start
        planned = sent if due is None else due
        try:
            reply = await ask(self._server, request)
            attempt = Attempt(number, request.max_tokens, planned, sent, reply)
        except ClientError as error:
            told, kind = str(error), error.kind
            attempt = Attempt(number, request.max_tokens, planned, sent, None, told, kind)
        self.attempts.append(attempt)
        self._done()
