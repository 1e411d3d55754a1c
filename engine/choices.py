"""What one request has gained: its choices, and the reader that waits for them.

How it works
------------
`OutputHandler` appends to a choice's `token_ids` and, when there is enough, adds the choice to what
its reader may take. The reader takes *all* that is there, so that a slow one gets more at once and
never more often; what nobody has taken yet are a few integers, bounded by `max_tokens`.
Detokenising is done when deltas are taken, in the reader's own task.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from vllm.v1.metrics.stats import IterationStats, RequestStateStats

from engine.detokenizer import Detokenizer
from engine.types import Delta, FinishReason

_MANY_TOKENS = 256
"""How many tokens a choice gathers, where they are not wanted as they come, before its reader is
woken: detokenising a long reply in one go would keep all others waiting."""


class ParallelSampling:
    """The choices of one prompt, whose sizes vLLM counts once: with the last of them.

    Args:
        n: how many there are.
    """

    __slots__ = ("_longest", "_n", "_open")

    def __init__(self, n: int) -> None:
        self._n = self._open = n
        self._longest = 0

    def finish(self, generated_tokens: int, stats: IterationStats) -> None:
        """Count a choice that has finished after so many tokens."""
        self._open -= 1
        self._longest = max(self._longest, generated_tokens)
        if not self._open:
            stats.n_params_iter.append(self._n)
            stats.max_num_generation_tokens_iter.append(self._longest)


class Choice:
    """One engine request: what it has gained, and what its statistics are made of.

    Args:
        request_id: EngineCore's name for it.
        index: its number in its request.
        reader: who waits for it.
        parallel: shared with its prompt's other choices.
        detokenizer: its own.
        prompt_tokens: the prompt's length.
        max_tokens: the reply's limit.
        arrival_time: `time.time()` when its request came; None with statistics off.
        incremental: its tokens are wanted as they come.
    """

    __slots__ = (
        "cached_tokens",
        "detokenizer",
        "engine_index",
        "finish_reason",
        "gather_until",
        "index",
        "max_tokens",
        "parallel",
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
        parallel: ParallelSampling,
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
        self.parallel = parallel
        self.detokenizer = detokenizer
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self.stats: Any = None
        if arrival_time is not None:
            self.stats = RequestStateStats(arrival_time=arrival_time)
        self.gather_until: int | None = None
        self.wake_at = 1 if incremental else _MANY_TOKENS
        self.prefilling = True
        self.engine_index = 0
        self.cached_tokens = 0
        self.token_ids: list[int] = []
        self.finish_reason: FinishReason | None = None

    def gather(self, until: int | None) -> None:
        """Be handed out when token `until` comes, or when there is much; with None, always."""
        self.gather_until = until
        self.wake_at = 1 if until is None else _MANY_TOKENS

    def take(self) -> Delta:
        """All that was gained since the last time."""
        token_ids, self.token_ids = self.token_ids, []
        if self.finish_reason == "stop" and token_ids:
            # The last token is what stopped it, and is not written.
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
    """One request's end of the outputs; half of a `Submission`."""

    def __init__(self) -> None:
        self._ready: dict[int, Choice] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._woken = False
        self._error: Exception | None = None

    async def gained(self) -> Sequence[Delta]:
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
        self._woken = True
        self._notify()

    def fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._notify()

    def add(self, choice: Choice) -> None:
        """`choice` has gained enough to be read."""
        if self._error is None:  # else it would never be raised while tokens keep coming
            self._ready[choice.index] = choice
            self._notify()

    def drop(self, choice: Choice) -> None:
        """`choice` is over, whatever it has gained."""
        self._ready.pop(choice.index, None)

    def _notify(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)
