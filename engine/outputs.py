"""Our task on EngineCore's outputs: each choice gets its token ids, vLLM's statistics stay right.

How it works
------------
`OutputHandler.run` is the only task that reads from EngineCore. It does as little as it can for a
token: it finds the token's choice, appends the id, notes the statistics, and wakes whoever waits
for the choice's request (`choices.py`).

A `Choice` is known here from before it is sent to EngineCore until it is finished or its request
is left; outputs for a choice that is not known are dropped, as vLLM does with aborted ones.

vLLM's own path (OutputProcessor, RequestOutputCollector) is not used. Its statistics are: per
output `IterationStats.update_from_output`, per finished choice `update_from_finished_request`,
and per step its loggers' `record`, in that order, so that `vllm:*` means what it means there.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

from vllm.v1.engine import FinishReason as VllmFinishReason
from vllm.v1.metrics.stats import IterationStats, LoRARequestStates

from engine.choices import Choice
from engine.errors import EngineFailure
from engine.statistics import InterTokenLatencies
from engine.translate import translate
from engine.types import FinishReason

_REASONS: Mapping[VllmFinishReason, FinishReason] = {
    VllmFinishReason.STOP: "stop",
    VllmFinishReason.LENGTH: "length",
}

_TURN_SECONDS = 0.03
"""How long outputs are handled before others get the event loop.

Taking an output that is there does not suspend: for as long as the engine is faster than we are
nothing else would run. Shorter, and there is little to merge for those who are too slow."""


class OutputHandler:
    """Reads EngineCore's outputs; see "How it works" above.

    Args:
        llm: the `AsyncLLM`, connected, and without an output handler of its own.
    """

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        self._choices: dict[str, Choice] = {}
        self._reported: dict[int, int] = {}
        self._lora = LoRARequestStates(llm.log_stats)
        self._latencies = InterTokenLatencies(llm.logger_manager) if llm.log_stats else None

    @property
    def unfinished(self) -> int:
        return len(self._choices)

    @property
    def orphans(self) -> int:
        return max(0, sum(self._reported.values()) - len(self._choices))

    # The two names that vLLM's admission control asks its OutputProcessor for.

    def get_num_unfinished_requests(self) -> int:
        return len(self._choices)

    def get_num_queued_tokens(self) -> int:
        return sum(c.prompt_tokens for c in self._choices.values() if c.prefilling)

    def add(self, choice: Choice) -> None:
        """Know `choice` from now on."""
        self._choices[choice.request_id] = choice

    def remove(self, choices: Iterable[Choice]) -> list[str]:
        """Forget choices; return the ids of those that had not finished."""
        known = [each for each in choices if self._choices.pop(each.request_id, None)]
        return [choice.request_id for choice in known]

    def stop(self, choice: Choice) -> bool:
        """Forget a choice that its reader has seen enough of, and count it as stopped.

        Returns:
            Whether it was still running.
        """
        choice.reader.drop(choice)
        if not self.remove([choice]):
            return False
        if choice.stats:
            stats = IterationStats()
            self._count_finished(choice, VllmFinishReason.STOP, stats)
            self._record(choice.engine_index, None, stats)
        return True

    def fail_all(self, error: Exception) -> None:
        for choice in self._choices.values():
            choice.reader.fail(error)

    async def run(self) -> None:
        """Read until cancelled, or until the engine fails, which every reader is told."""
        take = self._llm.engine_core.get_output_async
        turn_begun = time.monotonic()
        try:
            while True:
                if time.monotonic() - turn_begun > _TURN_SECONDS:
                    await asyncio.sleep(0)
                    turn_begun = time.monotonic()
                self._handle(await take())
        except Exception as error:
            self.fail_all(translate(error))

    def _handle(self, outputs: Any) -> None:
        """Hand out what one step of the engine has brought."""
        stats = IterationStats() if self._llm.log_stats and outputs.outputs else None
        choices, timestamp = self._choices, outputs.timestamp
        for output in outputs.outputs:
            choice = choices.get(output.request_id)
            if choice is None:
                continue
            if stats is not None:
                stats.update_from_output(
                    output, timestamp, choice.prefilling, choice.stats, self._lora, None
                )
            if choice.prefilling:
                choice.prefilling = False
                choice.engine_index = outputs.engine_index
                if output.prefill_stats is not None:
                    choice.cached_tokens = output.prefill_stats.num_cached_tokens
            choice.token_ids += output.new_token_ids
            if output.finish_reason is not None:
                self._finish(choice, output.finish_reason, stats)
            elif (
                len(choice.token_ids) >= choice.wake_at
                or choice.gather_until in output.new_token_ids
            ):
                choice.reader.add(choice)
        scheduler = outputs.scheduler_stats
        if scheduler is not None:
            waiting = scheduler.num_waiting_reqs + scheduler.num_skipped_waiting_reqs
            self._reported[outputs.engine_index] = scheduler.num_running_reqs + waiting
        self._record(outputs.engine_index, scheduler, stats)

    def _finish(self, choice: Choice, reason: Any, stats: IterationStats | None) -> None:
        del self._choices[choice.request_id]
        if stats is not None:
            self._count_finished(choice, reason, stats)
        choice.finish_reason = _REASONS.get(reason)
        if choice.finish_reason:
            choice.reader.add(choice)
        else:
            choice.reader.fail(EngineFailure(f"the engine gave up on this request ({reason})"))

    def _count_finished(self, choice: Choice, reason: Any, stats: IterationStats) -> None:
        stats.update_from_finished_request(
            finish_reason=reason,
            request_id=choice.request_id,
            num_prompt_tokens=choice.prompt_tokens,
            max_tokens_param=choice.max_tokens,
            req_stats=choice.stats,
            num_cached_tokens=choice.cached_tokens,
        )
        choice.parallel.finish(choice.stats.num_generation_tokens, stats)

    def _record(self, engine_index: int, scheduler: Any, stats: IterationStats | None) -> None:
        if self._llm.logger_manager is None:
            return
        if stats and self._latencies:
            self._latencies.observe(engine_index, stats)
        self._llm.logger_manager.record(
            engine_idx=engine_index,
            scheduler_stats=scheduler,
            iteration_stats=stats,
            mm_cache_stats=self._llm.renderer.stat_mm_cache(),
        )
