"""Requests on their way to a fake EngineCore, through vLLM's own input processor."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from vllm.exceptions import VLLMClientError, VLLMValidationError
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.v1.engine import FinishReason
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.input_processor import InputProcessor

from engine.errors import BadGeneration, EngineBusy, EngineDead, EngineError, EngineFailure
from engine.outputs import OutputHandler
from engine.setup import VllmSetup
from engine.submissions import Submissions
from engine.types import GenerationRequest, Prompt, Sampling
from tests.conftest import eventually
from tests.engine.conftest import CONTEXT
from tests.engine.fakes import FakeLlm, output, running, step

pytestmark = pytest.mark.anyio

PROMPTS = (Prompt([64, 65, 66], ""), Prompt([67, 68], ""))
PLAIN = Sampling()
ROOM = CONTEXT - len(PROMPTS[0].token_ids)
FOUR = [f"r-{index}" for index in range(4)]


class Engine:
    """Submissions to a fake, from which outputs are handled."""

    def __init__(self, setup: VllmSetup, **limits: Any) -> None:
        processor = InputProcessor(setup._config, setup.renderer._renderer)
        self.llm = FakeLlm(processor, **limits)
        self.core = self.llm.engine_core
        self.outputs = OutputHandler(self.llm)
        self.submissions = Submissions(self.llm, self.outputs, setup.renderer, ("generate",))

    async def sent(
        self, sampling: Sampling, prompts: tuple[Prompt, ...] = PROMPTS[:1]
    ) -> list[SamplingParams]:
        """What EngineCore is asked for, one a choice."""
        async with self.submissions.submit(request(sampling, prompts)):
            return [each.params for each in self.core.requests]

    async def refused(self, sampling: Sampling = PLAIN, **more: Any) -> EngineError:
        """Why a request is not accepted; it must leave nothing behind."""
        with pytest.raises(EngineError) as caught:
            async with self.submissions.submit(request(sampling, **more)):
                pytest.fail("accepted")
        await self.submissions.settle()
        assert not self.outputs.unfinished
        assert {each.request_id for each in self.core.requests} <= self.aborted
        return caught.value

    @property
    def aborted(self) -> set[str]:
        """All that was aborted, each of them once."""
        names = [name for each in self.core.aborted for name in each]
        assert len(names) == len(set(names))
        return set(names)


@pytest.fixture
async def engine(setup: VllmSetup) -> AsyncIterator[Engine]:
    """One that accepts everything; its outputs are handled."""
    engine = Engine(setup)
    async with running(engine.llm, engine.outputs):
        yield engine


def request(
    sampling: Sampling = PLAIN,
    prompts: tuple[Prompt, ...] = PROMPTS,
    written: Mapping[int, str] | None = None,
) -> GenerationRequest:
    """One that wants its tokens as they come."""
    return GenerationRequest("r", prompts, sampling, True, written or {})


async def test_each_choice_is_known_before_it_is_sent(engine: Engine) -> None:
    """And is an engine request of its own, in order, that vLLM's loggers can name."""
    known = []

    async def note(sent: Any) -> None:
        known.append((sent.request_id in engine.outputs._choices, engine.outputs.unfinished))

    engine.core.on_add = note
    async with engine.submissions.submit(request(Sampling(n=2))):
        assert known == [(True, 1), (True, 2), (True, 3), (True, 4)]
        sent = [(each.request_id, each.prompt_token_ids) for each in engine.core.requests]
        assert sent == [
            ("r-0", [64, 65, 66]),
            ("r-1", [64, 65, 66]),
            ("r-2", [67, 68]),
            ("r-3", [67, 68]),
        ]
        assert {each.external_req_id for each in engine.core.requests} == {"r"}
        assert len({each.arrival_time for each in engine.core.requests}) == 1


async def test_tokens_become_text(engine: Engine, tokenizer: Any) -> None:
    """By the model's tokenizer, each prompt's choices apart, written marks included."""
    end = tokenizer.eos_token_id
    async with engine.submissions.submit(request(written={end: "<end>"})) as submission:
        token_ids = [*tokenizer.encode("é🦜"), end]
        engine.core.outputs.put_nowait(step(output("r-1", token_ids, FinishReason.LENGTH)))
        (delta,) = await submission.gained()
        assert (delta.index, "".join(delta.texts)) == (1, "é🦜<end>")


@pytest.mark.parametrize(
    ("sampling", "parameter"),
    [
        (Sampling(temperature=-1), "temperature"),
        (Sampling(max_tokens=0), "max_tokens"),
        (Sampling(logit_bias={99_999: 1.0}), "logit_bias"),
        (Sampling(top_k=-5), None),
    ],
)
async def test_what_vllm_refuses(engine: Engine, sampling: Sampling, parameter: str | None) -> None:
    """Names the parameter where vLLM does, and its reason without vLLM's additions."""
    error = await engine.refused(sampling)
    assert isinstance(error, BadGeneration)
    assert error.parameter == parameter
    assert "parameter=" not in str(error)
    assert not engine.core.requests


@pytest.mark.parametrize(
    ("error", "told", "parameter"),
    [
        (VLLMValidationError("no", parameter="prompt", value=3), BadGeneration, "prompt"),
        (VLLMClientError("no"), BadGeneration, None),
        (RuntimeError("secret"), EngineFailure, None),
    ],
)
async def test_a_later_prompt_may_be_refused(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    told: type[EngineError],
    parameter: str | None,
) -> None:
    """Then what was sent for the others is aborted."""
    process = engine.llm.input_processor.process_inputs

    def refuse(name: str, prompt: Any, *rest: Any, **more: Any) -> Any:
        if prompt["prompt_token_ids"] == PROMPTS[1].token_ids:
            raise error
        return process(name, prompt, *rest, **more)

    monkeypatch.setattr(engine.llm.input_processor, "process_inputs", refuse)
    found = await engine.refused(Sampling(n=2))
    assert type(found) is told
    assert getattr(found, "parameter", None) == parameter
    assert "secret" not in str(found)
    assert engine.aborted == {"r-0", "r-1"}


async def test_full_queues(setup: VllmSetup) -> None:
    """vLLM's own limits count choices and the tokens of prompts that still wait."""
    engine = Engine(setup, max_num_queued_reqs=5)
    engine.llm.output_processor = engine.outputs
    async with engine.submissions.submit(request(Sampling(n=2))):
        with pytest.raises(EngineBusy):
            async with engine.submissions.submit(request()):
                pytest.fail("accepted")
        assert engine.outputs.unfinished == 4
        assert engine.llm.logger_manager.rejections == ["max_num_queued_reqs"]
    assert engine.aborted == set(FOUR)
    engine = Engine(setup, max_num_queued_tokens=5)
    engine.llm.output_processor = engine.outputs
    async with engine.submissions.submit(request()):
        with pytest.raises(EngineBusy):
            async with engine.submissions.submit(request()):
                pytest.fail("accepted")
        engine.outputs._handle(step(output("r-0", [64])))  # its prompt waits no longer
        async with engine.submissions.submit(GenerationRequest("other", PROMPTS, Sampling(), True)):
            assert engine.outputs.unfinished == 4


async def test_a_dead_engine_accepts_nothing(engine: Engine) -> None:
    """Nor is it asked to abort."""
    engine.llm.die()
    assert isinstance(await engine.refused(), EngineDead)
    assert not engine.core.aborted


@pytest.mark.parametrize(
    ("error", "told"),
    [(OverflowError("int too big"), EngineFailure), (EngineDeadError(), EngineDead)],
)
@pytest.mark.parametrize("position", range(4))
async def test_sending_may_fail(
    engine: Engine, error: Exception, told: type[EngineError], position: int
) -> None:
    """At any choice: all that may have been sent are aborted."""

    async def fail(sent: Any) -> None:
        if len(engine.core.requests) == position:
            raise error

    engine.core.on_add = fail
    assert type(await engine.refused(Sampling(n=2))) is told
    assert engine.aborted == set(FOUR[: position + 1])


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


@pytest.mark.parametrize(("seed", "seeds"), [(7, [7, 8, 9]), (2**63 - 2, [2**63 - 2, 2**63 - 1])])
async def test_choices_differ_in_their_seed(engine: Engine, seed: int, seeds: list[int]) -> None:
    """In the same way each time, within an int64, which is all that EngineCore takes."""
    found = [each.seed for each in await engine.sent(Sampling(n=3, seed=seed))]
    assert found[: len(seeds)] == seeds
    assert len(set(found)) == 3
    assert all(-(2**63) <= each < 2**63 for each in found)
    assert [each.seed for each in await engine.sent(Sampling(n=3))][3:] == [None] * 3


@pytest.mark.parametrize(
    ("wanted", "given"),
    [(None, CONTEXT - 3), (10, 10), (CONTEXT, CONTEXT - 3), (2**70, CONTEXT - 3)],
)
async def test_replies_end_with_the_context(engine: Engine, wanted: int | None, given: int) -> None:
    """However much was asked for."""
    (found,) = await engine.sent(Sampling(max_tokens=wanted))
    assert found.max_tokens == given


async def test_the_generation_config_has_the_defaults(setup: VllmSetup, engine: Engine) -> None:
    """The model's, where a request has no values of its own; text is our business."""
    defaults = setup.renderer.sampling_defaults
    assert defaults == {"temperature": 0.3, "top_k": 20, "top_p": 0.95}
    (found,) = await engine.sent(Sampling(top_k=5, temperature=0.0, ignore_eos=True))
    assert (found.top_p, found.top_k, found.temperature, found.ignore_eos) == (1.0, 0, 0.0, True)
    (found,) = (await engine.sent(Sampling(top_k=5, min_p=0.25)))[1:]
    assert (found.temperature, found.top_k, found.top_p, found.min_p) == (0.3, 5, 0.95, 0.25)
    assert found.n == 1
    assert not found.detokenize
    assert found.output_kind is RequestOutputKind.DELTA


async def test_the_generation_config_may_limit_replies(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a request says how long it wants to be."""
    monkeypatch.setattr(engine.submissions._renderer, "sampling_defaults", {"max_tokens": 20})
    assert [each.max_tokens for each in await engine.sent(Sampling())] == [20]
    assert [each.max_tokens for each in await engine.sent(Sampling(max_tokens=30))][1:] == [30]
