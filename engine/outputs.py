"""Our task on EngineCore's outputs: each choice gets its token ids, vLLM's statistics stay right.

How it works
------------
`OutputHandler.run` is the only task that reads from EngineCore. It does as little as it can for a
token: it finds the token's choice, appends the id, notes the statistics, and wakes whoever waits
for the choice's request. Whoever is woken takes *all* that is there, so that a slow reader gets
more at once and never more often; what nobody has taken yet are a few integers, bounded by the
request's `max_tokens`. Detokenising is done when deltas are taken, in the reader's own task.

A `Choice` is known here from before it is sent to EngineCore until it is finished or its request
is left; outputs for a choice that is not known are dropped, as vLLM does with aborted ones.

vLLM's own path (OutputProcessor, RequestOutputCollector) is not used. Its statistics are: per
output `IterationStats.update_from_output`, per finished choice `update_from_finished_request`,
and per step its loggers' `record`, in that order, so that `vllm:*` means what it means there.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vllm.v1.engine import FinishReason as VllmFinishReason
from vllm.v1.metrics.stats import IterationStats, LoRARequestStates, RequestStateStats

from engine.detokenizer import Detokenizer
from engine.errors import EngineError, EngineFailure
from engine.types import Delta, FinishReason

_log = logging.getLogger("thinkgate.engine")

_REASONS: Mapping[VllmFinishReason, FinishReason] = {
    VllmFinishReason.STOP: "stop",
    VllmFinishReason.LENGTH: "length",
}

_TURN_SECONDS = 0.03
"""How long outputs are handled before others get the event loop.

Taking an output that is there does not suspend: for as long as the engine is faster than we are
nothing else would run. Shorter, and there is little to merge for those who are too slow."""

_MANY_TOKENS = 256
"""How many tokens a choice gathers, where they are not wanted as they come, before its reader is
woken: detokenising a long reply in one go would keep all others waiting."""


class Choice:
    """One engine request: what it has gained, and what its statistics are made of.

    Args:
        request_id: EngineCore's name for it.
        index: its number in its request.
        reader: who waits for it.
        detokenizer: its own.
        prompt_tokens: the prompt's length.
        max_tokens: the reply's limit.
        arrival_time: `time.time()` when its request came; None with statistics off.
        wake_at: how many tokens wake the reader.
    """

    __slots__ = (
        "cached_tokens",
        "detokenizer",
        "engine_index",
        "finish_reason",
        "index",
        "max_tokens",
        "prefilling",
        "prompt_tokens",
        "reader",
        "request_id",
        "stats",
        "token_ids",
        "wake_at",
    )

    def __init__(
        self,
        request_id: str,
        index: int,
        reader: "Reader",
        detokenizer: Detokenizer,
        *,
        prompt_tokens: int,
        max_tokens: int,
        arrival_time: float | None,
        incremental: bool,
    ) -> None:
        self.request_id = request_id
        self.index = index
        self.reader = reader
        self.detokenizer = detokenizer
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self.stats: Any = None
        if arrival_time is not None:
            self.stats = RequestStateStats(arrival_time=arrival_time)
        self.wake_at = 1 if incremental else _MANY_TOKENS
        self.prefilling = True
        self.engine_index = 0
        self.cached_tokens = 0
        self.token_ids: list[int] = []
        self.finish_reason: FinishReason | None = None

    def take(self) -> Delta:
        """All that was gained since the last time."""
        token_ids, self.token_ids = self.token_ids, []
        if self.finish_reason == "stop":  # the last token is what stopped it, and is not written
            texts = [*self.detokenizer.decode(token_ids[:-1]), ""]
        else:
            texts = self.detokenizer.decode(token_ids)
        if self.finish_reason is None or not self.stats:
            return Delta(self.index, token_ids, texts, self.finish_reason, self.cached_tokens)
        return Delta(
            self.index,
            token_ids,
            texts,
            self.finish_reason,
            self.cached_tokens,
            queue_seconds=max(0.0, self.stats.scheduled_ts - self.stats.queued_ts),
            first_token_seconds=self.stats.first_token_latency,
        )


class Reader:
    """One request's end of the outputs; half of a `Submission`.

    Args:
        choices: how many it waits for.
    """

    def __init__(self, choices: int) -> None:
        self._choices = choices
        self._open = choices
        self._longest = 0
        self._ready: dict[int, Choice] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._woken = False
        self._error: Exception | None = None

    async def gained(self) -> Sequence[Delta]:
        """See `Submission.gained`."""
        while not (self._ready or self._woken or self._error):
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._woken = False
        if self._error and not self._ready:
            raise self._error
        ready, self._ready = self._ready, {}
        return [choice.take() for choice in ready.values()]

    def wake(self) -> None:
        """See `Submission.wake`."""
        self._woken = True
        self._notify()

    def fail(self, error: Exception) -> None:
        """See `Submission.fail`; the first error stays."""
        self._error = self._error or error
        self._notify()

    def add(self, choice: Choice) -> None:
        """`choice` has gained enough to be read."""
        self._ready[choice.index] = choice
        self._notify()

    def drop(self, choice: Choice) -> None:
        """`choice` is over, whatever it has gained."""
        self._ready.pop(choice.index, None)

    def close(self, choice: Choice, stats: IterationStats) -> None:
        """Count a choice that has finished: a request's sizes are counted with its last choice."""
        self._open -= 1
        self._longest = max(self._longest, choice.stats.num_generation_tokens)
        if not self._open:
            stats.n_params_iter.append(self._choices)
            stats.max_num_generation_tokens_iter.append(self._longest)

    def _notify(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class OutputHandler:
    """Reads EngineCore's outputs; see "How it works" above.

    Args:
        llm: the `AsyncLLM`, connected, and without an output handler of its own.
        translate: vLLM's exceptions to ours.
    """

    def __init__(self, llm: Any, translate: Callable[[Exception], EngineError]) -> None:
        self._llm = llm
        self._translate = translate
        self._choices: dict[str, Choice] = {}
        self._reported: dict[int, int] = {}
        self._lora = LoRARequestStates(llm.log_stats)

    @property
    def unfinished(self) -> int:
        """How many choices are known."""
        return len(self._choices)

    @property
    def orphans(self) -> int:
        """See `Engine.orphans`."""
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
        """Make every reader fail."""
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
            self.fail_all(self._translate(error))

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
            elif len(choice.token_ids) >= choice.wake_at:
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
        choice.reader.close(choice, stats)

    def _record(self, engine_index: int, scheduler: Any, stats: IterationStats | None) -> None:
        if self._llm.logger_manager is None:
            return
        self._llm.logger_manager.record(
            engine_idx=engine_index,
            scheduler_stats=scheduler,
            iteration_stats=stats,
            mm_cache_stats=self._llm.renderer.stat_mm_cache(),
        )
