"""Cancelled, ended and left: what a fake EngineCore is told to abort."""

import asyncio
from typing import Any

import pytest
from vllm.v1.engine import FinishReason
from vllm.v1.engine.exceptions import EngineDeadError

from engine.setup import VllmSetup
from engine.types import Sampling
from tests.conftest import eventually
from tests.engine.fakes import output, step
from tests.engine.submitting import Engine, request

pytestmark = pytest.mark.anyio


async def test_cancellation_leaves_nothing(setup: VllmSetup) -> None:
    """Wherever the request awaits something, while it is sent, read or left."""
    moment, moments = 0, 0
    while moment == moments:
        engine = Engine(setup)
        engine.core.on_add = engine.core.on_abort = lambda _: asyncio.sleep(0)

        async def run(engine: Engine = engine) -> None:
            async with engine.submissions.submit(request(Sampling(n=2))) as submission:
                submission.wake()
                await submission.gained()
                await asyncio.sleep(0)

        task = asyncio.get_running_loop().create_task(run())
        for _ in range(moment):
            await asyncio.sleep(0)
        moments += task.cancel()
        await asyncio.wait([task])
        await engine.submissions.settle()
        assert task.cancelled() == (moment < moments)
        assert not engine.outputs.unfinished
        assert {each.request_id for each in engine.core.requests} <= engine.aborted
        moment += 1
    assert moments > 6  # four are sent, one waits, and all are aborted


async def test_a_sent_request_may_be_cancelled_unknowingly(engine: Engine) -> None:
    """It is aborted where only the news that it was sent did not arrive."""

    async def cancel(sent: Any) -> None:
        engine.core.requests.append(sent)
        asyncio.current_task().cancel()  # type: ignore[union-attr]
        await asyncio.sleep(0)

    engine.core.on_add = cancel
    with pytest.raises(asyncio.CancelledError):
        async with engine.submissions.submit(request()):
            pytest.fail("accepted")
    assert engine.aborted == {"r-0"}
    assert not engine.outputs.unfinished


async def test_a_second_cancellation_does_not_stop_the_abort(engine: Engine) -> None:
    """Whoever waits for it may leave; `settle` does not."""
    aborting, go_on, inside = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(names: list[str]) -> None:
        aborting.set()
        await go_on.wait()

    async def run() -> None:
        async with engine.submissions.submit(request()):
            inside.set()
            await asyncio.Event().wait()

    engine.core.on_abort = slow
    task = asyncio.get_running_loop().create_task(run())
    await inside.wait()
    task.cancel()
    await aborting.wait()
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    settling = asyncio.get_running_loop().create_task(engine.submissions.settle())
    await asyncio.sleep(0)
    assert not settling.done()
    assert not engine.core.aborted
    go_on.set()
    await settling
    assert engine.aborted == {"r-0", "r-1"}


async def test_ending_aborts_that_choice_once(engine: Engine) -> None:
    """Others go on, and have nothing to do with it."""
    async with engine.submissions.submit(request(Sampling(n=2))) as submission:
        engine.core.outputs.put_nowait(step(output("r-1", [64]), output("r-2", [65])))
        await eventually(lambda: len(engine.llm.logger_manager.records))
        submission.end(2)
        submission.end(2)
        await engine.submissions.settle()
        assert engine.core.aborted == [["r-2"]]
        engine.core.outputs.put_nowait(step(output("r-2", [66]), output("r-3", [67])))
        await eventually(lambda: len(engine.llm.logger_manager.records) > 2)
        assert [delta.index for delta in await submission.gained()] == [1, 3]
    assert engine.core.aborted[1:] == [["r-0", "r-1", "r-3"]]


async def test_leaving_aborts_the_unfinished_only(engine: Engine) -> None:
    """And nothing at all where everything has finished, or was ended."""
    async with engine.submissions.submit(request()) as submission:
        engine.core.outputs.put_nowait(step(output("r-1", [64], FinishReason.STOP)))
        (delta,) = await submission.gained()
        assert delta.finish_reason == "stop"
        submission.end(1)
    assert engine.core.aborted == [["r-0"]]
    async with engine.submissions.submit(request()) as submission:
        finished = [output(f"r-{index}", [64], FinishReason.LENGTH) for index in range(2)]
        engine.core.outputs.put_nowait(step(*finished))
        assert len(await submission.gained()) == 2
    await engine.submissions.settle()
    assert engine.core.aborted == [["r-0"]]


async def test_a_failed_abort_hides_nothing(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """The request's own error is raised; the abort's is logged."""

    async def fail(names: list[str]) -> None:
        raise EngineDeadError

    async def run() -> None:
        async with engine.submissions.submit(request()) as submission:
            submission.end(0)
            await engine.submissions.settle()
            raise ZeroDivisionError

    engine.core.on_abort = fail
    with pytest.raises(ZeroDivisionError):
        await run()
    messages = [record.getMessage() for record in caplog.records]
    assert [message.partition(":")[0] for message in messages] == [
        "could not abort r-0",
        "could not abort r-1",
    ]
