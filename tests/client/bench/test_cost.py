"""What a run costs the processor."""

import asyncio
import os
import time
from collections.abc import Callable

import pytest

from client.bench.cost import Cost, watch
from client.openai.errors import ClientError


def watched(work: Callable[[], None], pid: int | None = None) -> Cost:
    """Watch this process while it works."""

    async def during() -> Cost:
        async with watch(pid) as cost:
            for _ in range(5):
                await asyncio.sleep(0.011)
                work()
        return cost

    return asyncio.run(during())


def burn() -> None:
    """Use 20 ms of a core, in one go."""
    until = time.process_time() + 0.02
    while time.process_time() < until:
        pass


def test_work_shows_as_processor_time_and_lag() -> None:
    """Five times 20 ms of work are at least 100 ms, and the event loop comes late meanwhile."""
    cost = watched(burn)
    assert cost.client >= 0.1
    assert cost.wall >= 0.15
    assert cost.client_percent == pytest.approx(100 * cost.client / cost.wall)
    assert cost.lag is not None
    assert max(cost.lags) >= 0.008
    assert cost.server is None


def test_a_server_is_watched_by_its_process() -> None:
    """The processor time of a given process is counted, in the system's steps of 10 ms."""
    cost = watched(burn, os.getpid())
    assert cost.server is not None
    assert cost.server >= 0.08


def test_a_process_that_is_not_there() -> None:
    """A wrong process id is an error before anything is sent."""
    with pytest.raises(ClientError, match="no process"):
        watched(burn, 2**31 - 1)
