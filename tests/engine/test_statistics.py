"""vLLM's statistics from our outputs, beside those that vLLM's own path makes of the same ones."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreOutputs, EngineCoreRequest, FinishReason
from vllm.v1.engine.output_processor import OutputProcessor
from vllm.v1.engine.parallel_sampling import ParentRequest
from vllm.v1.metrics.stats import IterationStats, SchedulerStats

from engine.choices import Choice, ParallelSampling, Reader
from engine.outputs import OutputHandler
from tests.engine.fakes import FakeLlm, Letters, first, ids, output, step

ARRIVAL = 1000.0
PROMPT = [65, 66, 67, 68, 69]


class Ours:
    """Our handler, with requests of `sizes` choices: `r0-0`, `r0-1`, `r1-0`…"""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.llm = FakeLlm()
        self.handler = OutputHandler(self.llm)
        self.choices: dict[str, Choice] = {}
        for request, n in enumerate(sizes):
            parallel, reader = ParallelSampling(n), Reader()
            for index in range(n):
                self.add(f"r{request}-{index}", index, reader, parallel)

    def add(self, name: str, index: int, reader: Reader, parallel: ParallelSampling) -> None:
        self.choices[name] = choice = Choice(
            name,
            index,
            reader,
            parallel,
            Letters(),
            prompt_tokens=len(PROMPT),
            max_tokens=100,
            arrival_time=ARRIVAL,
            incremental=True,
        )
        self.handler.add(choice)

    def handle(self, outputs: EngineCoreOutputs) -> IterationStats:
        self.handler._handle(outputs)
        return self.llm.stats()[-1]


class Theirs:
    """vLLM's OutputProcessor, with the same requests."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.processor = OutputProcessor(None, log_stats=True)
        for request, n in enumerate(sizes):
            params = SamplingParams(n=n, max_tokens=100, detokenize=False)
            parent = ParentRequest(_request(f"r{request}", params)) if n > 1 else None
            for index in range(n):
                name = f"r{request}-{index}"
                if parent:
                    parent.child_requests.add(name)
                self.processor.add_request(_request(name, params), None, parent, index)

    def handle(self, outputs: EngineCoreOutputs) -> IterationStats:
        stats = IterationStats()
        self.processor.process_outputs(outputs.outputs, outputs.timestamp, stats)
        self.processor.update_scheduler_stats(outputs.scheduler_stats)
        return stats


def _request(name: str, params: SamplingParams) -> EngineCoreRequest:
    return EngineCoreRequest(
        request_id=name,
        prompt_token_ids=PROMPT,
        mm_features=None,
        sampling_params=params,
        pooling_params=None,
        arrival_time=ARRIVAL,
        lora_request=None,
        cache_salt=None,
        data_parallel_rank=None,
        external_req_id=name,
    )


def _plain(stats: IterationStats) -> dict[str, Any]:
    """All that is in it, but for what this process's clock has put there."""
    values = copy.deepcopy(vars(stats))
    begun = values.pop("iteration_timestamp")
    values["time_to_first_tokens_iter"] = [
        round(begun - seconds - ARRIVAL, 6) for seconds in values["time_to_first_tokens_iter"]
    ]
    for finished in values["finished_requests"]:
        finished.e2e_latency = round(begun - finished.e2e_latency - ARRIVAL, 6)
    return values


STEPS = {
    "one": (
        [1],
        [
            [first("r0-0", ids("a"), len(PROMPT), 3)],
            [output("r0-0", ids("bc"))],
            [output("r0-0", ids("d"), FinishReason.LENGTH)],
        ],
    ),
    "many": (
        [1, 3, 2],
        [
            [first(f"r1-{index}", ids("a"), len(PROMPT), index) for index in range(3)],
            [first("r0-0", ids("ab"), len(PROMPT)), output("r1-2", ids("b"), FinishReason.STOP)],
            [first("r2-1", ids("a"), len(PROMPT)), output("r1-0", ids("bcd"))],
            [output("r1-0", ids("e"), FinishReason.LENGTH), output("nobody", ids("x"))],
            [first("r2-0", ids("a"), len(PROMPT)), output("r1-1", ids("x"), FinishReason.STOP)],
            [output("r2-1", ids("z"), FinishReason.STOP), output("r2-0", (), FinishReason.ABORT)],
            [output("r0-0", (), FinishReason.ERROR)],
        ],
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_counted_as_in_vllm(name: str) -> None:
    """Field by field, step by step: tokens, latencies, what finished, and sizes once a prompt."""
    sizes, steps = STEPS[name]
    ours, theirs = Ours(sizes), Theirs(sizes)
    sized: list[int] = []
    for outputs in steps:
        made = step(*outputs)
        mine, vllms = ours.handle(copy.deepcopy(made)), theirs.handle(made)
        assert _plain(mine) == _plain(vllms)
        sized += mine.n_params_iter
    assert sorted(sized) == sorted(sizes)
    assert not ours.handler.unfinished


def test_what_we_end_counts_as_stopped() -> None:
    """As a stop string does in vLLM; with its request's sizes, where it is the last to finish."""
    ours = Ours([2])
    ours.handle(step(first("r0-0", ids("abc"), len(PROMPT)), engine=1))
    ours.handle(step(first("r0-1", ids("a"), len(PROMPT)), engine=1))
    assert ours.handler.stop(ours.choices["r0-0"])
    engine, scheduler, stats = ours.llm.logger_manager.records[-1]
    assert (engine, scheduler) == (1, None)
    (finished,) = stats.finished_requests
    assert finished.finish_reason is FinishReason.STOP
    assert finished.num_generation_tokens == 3
    assert (finished.num_prompt_tokens, finished.max_tokens_param) == (len(PROMPT), 100)
    assert finished.queued_time == pytest.approx(1)
    assert (stats.n_params_iter, stats.num_generation_tokens) == ([], 0)
    records = len(ours.llm.logger_manager.records)
    assert not ours.handler.stop(ours.choices["r0-0"])
    assert len(ours.llm.logger_manager.records) == records
    last = ours.handle(step(output("r0-1", ids("b"), FinishReason.LENGTH), engine=1))
    assert (last.n_params_iter, last.max_num_generation_tokens_iter) == ([2], [3])


def test_each_step_is_recorded_once() -> None:
    """With what the scheduler reports, and with no statistics where nothing was made."""
    ours = Ours([1])
    report = SchedulerStats(num_running_reqs=1)
    ours.handler._handle(step(scheduler=report, engine=2))
    ours.handler._handle(step(output("r0-0", ids("a"))))
    (one, other) = ours.llm.logger_manager.records
    assert one == (2, report, None)
    assert other[:2] == (0, None)
    assert other[2].num_generation_tokens == 1
