"""What vLLM's statistics cost a token, where it can be less."""

from bisect import bisect_left
from collections import Counter
from typing import Any

from vllm.v1.metrics.loggers import (
    LoggingStatLogger,
    PerEngineStatLoggerAdapter,
    PrometheusStatLogger,
)
from vllm.v1.metrics.stats import IterationStats

_PRIVATE = {"_buckets", "_sum", "_upper_bounds"}
"""What prometheus_client's histograms keep their counts in."""


class InterTokenLatencies:
    """Observes a step's inter-token latencies in `vllm:inter_token_latency_seconds`, all equal ones
    at once.

    In one step nearly all are equal: those of all requests that got their last token in the same
    step before. vLLM's logger observes each by itself, which is half of what logging a step costs.
    Where another logger wants them, or prometheus_client keeps its counts elsewhere, they are left
    to vLLM.

    Args:
        manager: vLLM's `StatLoggerManager`.
    """

    def __init__(self, manager: Any) -> None:
        self._histograms: dict[int, Any] = {}
        readers = [each for each in manager.stat_loggers if not _is_for_the_log(each)]
        if [type(each) for each in readers] == [PrometheusStatLogger]:
            histograms = readers[0].histogram_inter_token_latency
            if all(vars(each).keys() >= _PRIVATE for each in histograms.values()):
                self._histograms = dict(histograms)

    def observe(self, engine_index: int, stats: IterationStats) -> None:
        """Take the latencies out of `stats`, and observe them."""
        histogram = self._histograms.get(engine_index)
        if histogram is None:
            return
        for latency, count in Counter(stats.inter_token_latencies_iter).items():
            histogram._sum.inc(latency * count)
            histogram._buckets[bisect_left(histogram._upper_bounds, latency)].inc(count)
        stats.inter_token_latencies_iter = []


def _is_for_the_log(logger: Any) -> bool:
    """Whether it is the one that writes a line now and then, and reads no latency."""
    return isinstance(logger, PerEngineStatLoggerAdapter) and all(
        type(each) is LoggingStatLogger for each in logger.per_engine_stat_loggers.values()
    )
