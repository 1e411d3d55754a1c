"""What a run costs the processor: this client, and the server if its process is known."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import psutil

from client.distribution import Distribution
from client.openai.errors import ClientError

_PERIOD = 0.01
_TIMER = 0.001
"""An event loop's timers are late by up to so much even if it has nothing to do."""


@dataclass(slots=True)
class Cost:
    """What was used; complete when the block of `watch` is left.

    Attributes:
        wall: how long was watched, in seconds.
        client: processor time of this process, in seconds.
        server: that of the server and all its children; None if it is not watched, or has ended.
        lags: how late this client's event loop came to what was due, in seconds.
    """

    wall: float = 0.0
    client: float = 0.0
    server: float | None = None
    lags: list[float] = field(default_factory=list)

    @property
    def client_percent(self) -> float:
        """Of one core."""
        return 100 * self.client / self.wall if self.wall else 0.0

    @property
    def lag(self) -> Distribution | None:
        """How late the event loop was; None if the run was too short to tell."""
        return Distribution.of(self.lags)


@asynccontextmanager
async def watch(pid: int | None) -> AsyncIterator[Cost]:
    """Watch this process and its event loop, and a server's process, during the block.

    Raises:
        ClientError: there is no such process.
    """
    cost = Cost()
    before = _server_seconds(pid) if pid else {}
    if pid and not before:
        raise ClientError(f"there is no process {pid}, or it is not ours to watch")
    client, wall = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        sampling = group.create_task(_sample_lag(cost.lags))
        try:
            yield cost
        finally:
            sampling.cancel()
            cost.wall = time.perf_counter() - wall
            cost.client = time.process_time() - client
    if pid and (after := _server_seconds(pid)):
        cost.server = sum(after[each] - before.get(each, 0.0) for each in after)


async def _sample_lag(lags: list[float]) -> None:
    while True:
        due = time.perf_counter() + _PERIOD
        await asyncio.sleep(_PERIOD)
        lags.append(max(0.0, time.perf_counter() - due - _TIMER))


def _server_seconds(pid: int) -> dict[int, float]:
    """Processor seconds of a process, its children and theirs, by process; of none that is gone."""
    seconds: dict[int, float] = {}
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                used = member.cpu_times()
                seconds[member.pid] = used.user + used.system
    return seconds
