"""Asks the samples of an evaluation, a bounded number at once, until the server is gone."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from client.evaluate.outcomes import Outcome, answered, failed
from client.evaluate.samples import Sample
from client.evaluate.settings import Settings
from client.openai.errors import ClientError, TimedOut, Unreachable
from client.openai.pool import run_pool
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


async def ask_all(
    server: Server,
    settings: Settings,
    jobs: Sequence[Job],
    concurrency: int,
    keep: Callable[[Outcome], None],
) -> float:
    """Ask all, unless the server is gone.

    Args:
        server: who is asked.
        settings: how.
        jobs: what.
        concurrency: at once, at most.
        keep: is given each outcome as soon as it is there.

    Returns:
        Seconds from the first send to the last end; 0 if there is nothing to ask.

    Raises:
        ClientError: `keep` raised it.
    """
    unreached = 0

    def waiting() -> Iterator[Job]:
        for job in jobs:
            if unreached >= _PATIENCE:
                return
            yield job

    async def work(job: Job) -> None:
        nonlocal unreached
        try:
            reply = await ask(server, settings.request(job.sample, job.repeat))
        except ClientError as error:
            unreached = unreached + 1 if isinstance(error, _GONE) else 0
            keep(failed(job.sample, job.repeat, error))
        else:
            unreached = 0
            keep(answered(job.sample, job.repeat, reply))

    began = time.perf_counter()
    await run_pool(waiting(), concurrency, work)
    return time.perf_counter() - began if jobs else 0.0
