"""Times one request's choices, for the metrics."""

import time

from gateway import metrics
from gateway.serving.choice import ChoiceState
from gateway.serving.request import RequestState


class Stopwatch:
    """One request's.

    Args:
        model: the canonical name.
        started: `time.perf_counter()` of the request's arrival.
        streamed: deltas come one by one, so that gaps between them mean something.
    """

    def __init__(self, model: str, started: float, *, streamed: bool) -> None:
        self._model = model
        self._started = started
        self._streamed = streamed
        self._gap = metrics.INTER_TOKEN.labels(model)
        self._first: float | None = None
        self._last: dict[int, float] = {}
        self._answered = False
        self._thinking: dict[int, float] = {}

    def tick(self, index: int, choice: ChoiceState, *, gathered: bool = False) -> None:
        """Choice `index` was fed; where tokens were `gathered`, there is no gap between two."""
        if not self._streamed:
            return
        now = time.perf_counter()
        last = self._last.get(index)
        self._last[index] = now
        if last is not None and not gathered:
            self._gap.observe(now - last)
        if self._first is None:
            self._first = now
            metrics.FIRST_TOKEN.labels(self._model).observe(now - self._started)
        if choice.thinking:
            self._thinking.setdefault(index, now)
        elif self._thinking.get(index):
            metrics.THINKING.labels(self._model).observe(now - self._thinking[index])
            self._thinking[index] = 0.0
        if choice.answering and not self._answered:
            self._answered = True
            metrics.FIRST_ANSWER_TOKEN.labels(self._model).observe(now - self._started)

    def finish(self, state: RequestState, visibility: str) -> None:
        """The request is over, in whatever way."""
        model, usage = self._model, state.usage()
        metrics.DURATION.labels(model).observe(time.perf_counter() - self._started)
        for end in filter(None, (choice.last_delta for choice in state.choices)):
            if end.queue_seconds is not None:
                metrics.QUEUE.labels(model).observe(end.queue_seconds)
            if end.first_token_seconds is not None and not self._streamed:
                metrics.FIRST_TOKEN.labels(model).observe(end.first_token_seconds)
        metrics.PROMPT_TOKENS.labels(model).inc(usage.prompt_tokens)
        metrics.CACHED_TOKENS.labels(model).inc(usage.cached_tokens)
        metrics.COMPLETION_TOKENS.labels(model).inc(usage.completion_tokens)
        metrics.REASONING_TOKENS.labels(model, visibility).inc(usage.reasoning_tokens)
