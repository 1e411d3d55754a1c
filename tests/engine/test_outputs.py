"""EngineCore's outputs on their way to readers, from a fake of it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from vllm.v1.engine import FinishReason
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.metrics.stats import SchedulerStats

from engine.choices import Choice, ParallelSampling, Reader
from engine.errors import EngineDead, EngineFailure, EngineStopping
from engine.outputs import OutputHandler
from engine.types import Delta
from tests.conftest import eventually
from tests.engine.fakes import FakeLlm, Letters, first, ids, output, running, step

pytestmark = pytest.mark.anyio


class Request:
    """A request of `n` choices, known to a handler, and its reader."""

    def __init__(
        self, handler: OutputHandler, name: str, n: int = 1, *, incremental: bool = True
    ) -> None:
        self.reader = Reader()
        parallel = ParallelSampling(n)
        self.choices = [
            Choice(
                f"{name}-{index}",
                index,
                self.reader,
                parallel,
                Letters(),
                prompt_tokens=5,
                max_tokens=1000,
                arrival_time=1.0 if handler._llm.log_stats else None,
                incremental=incremental,
            )
            for index in range(n)
        ]
        for choice in self.choices:
            handler.add(choice)

    async def gained(self) -> Sequence[Delta]:
        async with asyncio.timeout(5):
            return await self.reader.gained()


@pytest.fixture
def llm() -> FakeLlm:
    """One that keeps statistics."""
    return FakeLlm()


async def test_tokens_reach_their_choice(llm: FakeLlm) -> None:
    """Each with its text, and nobody else is woken."""
    handler = OutputHandler(llm)
    one, two = Request(handler, "one", 2), Request(handler, "two")
    async with running(llm, handler):
        llm.engine_core.outputs.put_nowait(
            step(output("one-1", ids("ab")), output("one-0", ids("c")))
        )
        gained = {delta.index: delta for delta in await one.gained()}
        assert {index: delta.texts for index, delta in gained.items()} == {1: ["a", "b"], 0: ["c"]}
        assert gained[1].token_ids == ids("ab")
        assert gained[1].finish_reason is None
        llm.engine_core.outputs.put_nowait(step(output("two-0", ids("d"))))
        (delta,) = await two.gained()
        assert delta.texts == ["d"]
    assert not one.reader._ready


async def test_a_slow_reader_gets_all_at_once(llm: FakeLlm) -> None:
    """One delta a choice, whatever came in how many steps, the end included."""
    handler = OutputHandler(llm)
    request = Request(handler, "r", 2)
    async with running(llm, handler):
        for letter in "abc":
            both = [output(f"r-{index}", ids(letter)) for index in range(2)]
            llm.engine_core.outputs.put_nowait(step(*both))
        llm.engine_core.outputs.put_nowait(step(output("r-1", ids("d"), FinishReason.LENGTH)))
        await eventually(lambda: handler.unfinished == 1)
        gained = await request.gained()
        assert [(delta.index, "".join(delta.texts)) for delta in gained] == [
            (0, "abc"),
            (1, "abcd"),
        ]
        assert [delta.finish_reason for delta in gained] == [None, "length"]


async def test_who_wants_it_whole_is_woken_at_the_end(llm: FakeLlm) -> None:
    """Or whenever 256 tokens have gathered."""
    handler = OutputHandler(llm)
    request = Request(handler, "r", incremental=False)
    handle, lengths = handler._handle, []
    for tokens in [1] * 256 + [300, 255]:
        handle(step(output("r-0", ids("x") * tokens)))
        if request.reader._ready:
            (delta,) = await request.gained()
            lengths.append(len(delta.token_ids))
    handle(step(output("r-0", ids("x"), FinishReason.LENGTH)))
    (delta,) = await request.gained()
    assert [*lengths, len(delta.token_ids)] == [256, 300, 256]
    assert delta.finish_reason == "length"


async def test_gathering_ends_with_its_token(llm: FakeLlm) -> None:
    """Nothing is handed out before the token comes, or there is much; afterwards each is again."""
    handler = OutputHandler(llm)
    one = Request(handler, "one")
    (choice,) = one.choices
    choice.gather(ord("."))
    async with running(llm, handler):
        waiting = asyncio.create_task(one.gained())
        for token in ids("abc"):
            llm.engine_core.outputs.put_nowait(step(output("one-0", [token])))
        await eventually(lambda: len(choice.token_ids) == 3)
        assert not waiting.done()
        llm.engine_core.outputs.put_nowait(step(output("one-0", ids("d.e"))))
        (delta,) = await waiting
        assert "".join(delta.texts) == "abcd.e"
        llm.engine_core.outputs.put_nowait(step(output("one-0", ids("x" * 255))))
        await eventually(lambda: len(choice.token_ids) == 255)
        llm.engine_core.outputs.put_nowait(step(output("one-0", ids("y"))))
        (delta,) = await one.gained()
        assert len(delta.token_ids) == 256
        choice.gather(None)
        llm.engine_core.outputs.put_nowait(step(output("one-0", ids("z"))))
        (delta,) = await one.gained()
        assert delta.texts == ["z"]


async def test_what_nobody_waits_for_is_dropped(llm: FakeLlm) -> None:
    """Outputs of a request that was left, whatever else is in the step."""
    handler = OutputHandler(llm)
    left, request = Request(handler, "left"), Request(handler, "r")
    assert handler.remove(left.choices) == ["left-0"]
    assert handler.remove(left.choices) == []
    async with running(llm, handler):
        gone = [output("left-0", ids("a"), FinishReason.STOP), output("never", ids("b"))]
        llm.engine_core.outputs.put_nowait(step(*gone, output("r-0", ids("c"))))
        (delta,) = await request.gained()
        assert delta.texts == ["c"]
    assert not left.reader._ready
    (stats,) = llm.stats()
    assert stats.num_generation_tokens == 1
    assert not stats.finished_requests


@pytest.mark.parametrize(
    ("tokens", "reason", "texts", "told"),
    [
        ("abc", FinishReason.LENGTH, ["a", "b", "c"], "length"),
        ("abc", FinishReason.STOP, ["a", "b", ""], "stop"),
        ("", FinishReason.STOP, [], "stop"),
    ],
)
async def test_the_end_is_told(
    llm: FakeLlm, tokens: str, reason: FinishReason, texts: list[str], told: str
) -> None:
    """The token that stopped a choice counts, and is not written."""
    handler = OutputHandler(llm)
    request = Request(handler, "r")
    handler._handle(step(output("r-0", ids(tokens), reason)))
    (delta,) = await request.gained()
    assert (delta.token_ids, delta.texts) == (ids(tokens), texts)
    assert delta.finish_reason == told
    assert handler.unfinished == 0


@pytest.mark.parametrize(
    "reason", [FinishReason.ABORT, FinishReason.ERROR, FinishReason.REPETITION]
)
async def test_giving_up_fails_that_request_alone(llm: FakeLlm, reason: FinishReason) -> None:
    """However the engine gives up on one of its choices."""
    handler = OutputHandler(llm)
    failed, other = Request(handler, "failed", 2), Request(handler, "other")
    async with running(llm, handler):
        given_up = output("failed-1", (), reason)
        llm.engine_core.outputs.put_nowait(step(given_up, output("other-0", ids("a"))))
        with pytest.raises(EngineFailure, match=str(reason)):
            await failed.gained()
        (delta,) = await other.gained()
        assert delta.texts == ["a"]


async def test_waking_takes_no_token(llm: FakeLlm) -> None:
    """`wake` makes one `gained` return, before it waits as well as while it does."""
    request = Request(OutputHandler(llm), "r")
    request.reader.wake()
    assert await request.gained() == []
    waiting = asyncio.get_running_loop().create_task(request.gained())
    await eventually(lambda: request.reader._waiter)
    request.reader.wake()
    assert await waiting == []
    waiting = asyncio.get_running_loop().create_task(request.gained())
    await eventually(lambda: request.reader._waiter)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    request.reader.wake()  # nobody waits any longer
    assert await request.gained() == []


async def test_failing_wins_over_what_keeps_coming(llm: FakeLlm) -> None:
    """What was gained before is returned; then the first error is raised, ever after."""
    handler = OutputHandler(llm)
    request = Request(handler, "r")
    handler._handle(step(output("r-0", ids("a"))))
    handler.fail_all(EngineStopping("first"))
    handler.fail_all(EngineStopping("second"))
    handler._handle(step(output("r-0", ids("b"))))
    (delta,) = await request.gained()
    assert delta.texts == ["a", "b"]
    for _ in range(2):
        handler._handle(step(output("r-0", ids("c"))))
        with pytest.raises(EngineStopping, match="first"):
            await request.gained()


@pytest.mark.parametrize(
    ("error", "told"), [(EngineDeadError(), EngineDead), (RuntimeError("oops"), EngineFailure)]
)
async def test_all_readers_learn_of_a_failure(
    llm: FakeLlm, error: Exception, told: type[Exception]
) -> None:
    """In our words, those that wait as well as those that come later; nothing is read any more."""
    handler = OutputHandler(llm)
    one, two = Request(handler, "one"), Request(handler, "two", 2)
    async with running(llm, handler):
        waiting = asyncio.get_running_loop().create_task(one.gained())
        await eventually(lambda: one.reader._waiter)
        llm.engine_core.outputs.put_nowait(error)
        with pytest.raises(told):
            await waiting
        with pytest.raises(told):
            await two.gained()
        assert llm.errored


async def test_others_get_their_turn(llm: FakeLlm) -> None:
    """Outputs that are always there keep nobody from the event loop; many are handled between."""
    handled = 0

    async def always() -> Any:
        nonlocal handled
        handled += 1
        assert handled < 2_000_000, "nobody else has ever run"
        return step()

    llm.engine_core.get_output_async = always  # type: ignore[method-assign]
    turns = []
    async with running(llm, OutputHandler(llm)):
        while len(turns) < 5:
            before = handled
            await asyncio.sleep(0)
            turns.append(handled - before)
    assert sum(turn > 3 for turn in turns) >= 3


async def test_orphans_are_what_nobody_waits_for(llm: FakeLlm) -> None:
    """All that the engines' last reports have, waiting ones too, beyond what is known here."""
    handler = OutputHandler(llm)
    Request(handler, "r", 2)
    assert handler.orphans == 0
    report = SchedulerStats(num_running_reqs=1, num_waiting_reqs=2, num_skipped_waiting_reqs=3)
    handler._handle(step(scheduler=report))
    assert handler.orphans == 4
    handler._handle(step(engine=1, scheduler=SchedulerStats(num_running_reqs=5)))
    handler._handle(step(engine=1))
    assert handler.orphans == 9
    handler._handle(step(scheduler=SchedulerStats()))
    handler._handle(step(engine=1, scheduler=SchedulerStats(num_running_reqs=1)))
    assert handler.orphans == 0


async def test_without_statistics_tokens_flow_all_the_same() -> None:
    """And a delta has no times."""
    llm = FakeLlm(log_stats=False)
    handler = OutputHandler(llm)
    request = Request(handler, "r", 2)
    handler._handle(step(first("r-0", ids("a"), prompt=5, cached=4)))
    handler._handle(step(output("r-0", ids("b"), FinishReason.LENGTH)))
    assert handler.stop(request.choices[1])
    (delta,) = await request.gained()
    assert (delta.texts, delta.cached_tokens) == (["a", "b"], 4)
    assert delta.queue_seconds is delta.first_token_seconds is None
    assert handler.unfinished == handler.orphans == 0


async def test_the_last_delta_has_its_times(llm: FakeLlm) -> None:
    """How long it waited, how long its first token took; and what was cached, from the first on."""
    handler = OutputHandler(llm)
    request = Request(handler, "r")
    handler._handle(step(first("r-0", ids("a"), prompt=5, cached=4)))
    (delta,) = await request.gained()
    assert (delta.cached_tokens, delta.queue_seconds) == (4, None)
    handler._handle(step(output("r-0", ids("b"), FinishReason.LENGTH)))
    (delta,) = await request.gained()
    assert delta.cached_tokens == 4
    assert delta.queue_seconds == pytest.approx(1)
    assert delta.first_token_seconds == request.choices[0].stats.first_token_latency > 0
