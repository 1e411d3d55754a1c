"""Asks samples, a bounded number at once.

There are as many workers as requests may run at once, and each takes the next sample as soon as
its last is done: a slow reply holds up nobody else.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from client.evaluate.outcomes import Outcome, answered, failed
from client.evaluate.samples import Sample
from client.evaluate.settings import Settings
from client.openai.errors import ClientError, TimedOut, Unreachable
from client.openai.reply import ask
from client.openai.server import Server

_GONE = (Unreachable, TimedOut)
_PATIENCE = 10
"""So many samples in a row that reach no server, and no more are sent."""


@dataclass(frozen=True, slots=True)
class Job:
    """A sample, and which time it is asked, from 0."""

    sample: Sample
    repeat: int

    @property
    def key(self) -> tuple[str, int]:
        """What its outcome is kept under."""
        return self.sample.id, self.repeat


class Pool:
    """Asks samples once.

    Args:
        server: who is asked.
        settings: how.
        keep: is given each outcome as soon as it is there.
    """

    def __init__(self, server: Server, settings: Settings, keep: Callable[[Outcome], None]) -> None:
        self._server = server
        self._settings = settings
        self._keep = keep
        self._unreached = 0

    async def ask(self, jobs: Sequence[Job], concurrency: int) -> float:
        """Ask all, unless the server is gone; return the seconds from first send to last end.

        Raises:
            ClientError: `keep` raised it.
        """
        if not jobs:
            return 0.0
        waiting = iter(jobs)

        async def work() -> None:
            for job in waiting:
                await self._ask(job)
                if self._unreached >= _PATIENCE:
                    return

        began = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(concurrency, len(jobs))):
                    workers.create_task(work())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        return time.perf_counter() - began

    async def _ask(self, job: Job) -> None:
        try:
            reply = await ask(self._server, self._settings.request(job.sample, job.repeat))
        except ClientError as error:
            self._unreached = self._unreached + 1 if isinstance(error, _GONE) else 0
            self._keep(failed(job.sample, job.repeat, error))
        else:
            self._unreached = 0
            self._keep(answered(job.sample, job.repeat, reply))
