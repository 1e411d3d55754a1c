"""What a fake EngineCore is sent, and what happens where it can't be."""

from typing import Any

import pytest
from vllm.exceptions import VLLMClientError, VLLMValidationError
from vllm.v1.engine import FinishReason
from vllm.v1.engine.exceptions import EngineDeadError

from engine.errors import BadGeneration, EngineBusy, EngineDead, EngineError, EngineFailure
from engine.setup import VllmSetup
from engine.types import GenerationRequest, Sampling
from tests.engine.fakes import output, step
from tests.engine.submitting import FOUR, PROMPTS, Engine, request

pytestmark = pytest.mark.anyio


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
    engine = Engine(setup, max_num_queued_reqs=7)
    engine.llm.output_processor = engine.outputs
    async with engine.submissions.submit(request(Sampling(n=2))):
        with pytest.raises(EngineBusy):
            async with engine.submissions.submit(request(Sampling(n=2))):
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


async def test_sizes_are_counted_once_a_prompt(engine: Engine) -> None:
    """As vLLM's server does, to which each prompt is a request."""
    async with engine.submissions.submit(request(Sampling(n=2))) as submission:
        finished = [output(name, [64], FinishReason.LENGTH) for name in FOUR]
        engine.core.outputs.put_nowait(step(*finished))
        assert len(await submission.gained()) == 4
    (stats,) = engine.llm.stats()
    assert stats.n_params_iter == [2, 2]


async def test_vllm_decides_whether_there_are_statistics(setup: VllmSetup) -> None:
    """A logger among its plugins turns them on; without, a choice has none."""
    for log_stats in (True, False):
        engine = Engine(setup, log_stats=log_stats)
        async with engine.submissions.submit(request()) as submission:
            finished = output("r-0", [64], FinishReason.LENGTH)
            engine.outputs._handle(step(finished))
            (delta,) = await submission.gained()
            assert (delta.first_token_seconds is not None) == log_stats
