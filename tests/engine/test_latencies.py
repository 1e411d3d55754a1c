"""`engine.statistics`: vLLM's histogram, the same as if vLLM had observed each latency."""

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY
from vllm.v1.metrics.loggers import PrometheusStatLogger, StatLoggerManager
from vllm.v1.metrics.stats import IterationStats

from engine.statistics import InterTokenLatencies

STEPS = ([0.004] * 7 + [0.031], [], [2.5e-7, 0.01, 0.01, 95.0, 1e6])
NAME = "vllm:inter_token_latency_seconds"


@pytest.fixture
def manager(setup: Any) -> StatLoggerManager:
    """vLLM's loggers, as it makes them for one engine."""
    return StatLoggerManager(setup._config, [0])


def samples() -> dict[str, float]:
    """What the histogram shows."""
    return {
        f"{sample.name}{sample.labels.get('le', '')}": sample.value
        for metric in REGISTRY.collect()
        if metric.name == NAME
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


def record(manager: StatLoggerManager, latencies: InterTokenLatencies | None) -> dict[str, float]:
    """Record all steps, and say by how much each sample has grown."""
    before = samples()
    for step in STEPS:
        stats = IterationStats()
        stats.inter_token_latencies_iter = list(step)
        if latencies:
            latencies.observe(0, stats)
        manager.record(None, stats, engine_idx=0)
    return {name: value - before[name] for name, value in samples().items()}


def test_it_shows_what_vllm_would_show(manager: StatLoggerManager) -> None:
    """Every bucket, the count and the sum."""
    theirs = record(manager, None)
    ours = record(manager, InterTokenLatencies(manager))
    assert ours == pytest.approx(theirs)
    assert ours[f"{NAME}_count"] == sum(map(len, STEPS))


@pytest.mark.parametrize("case", ["subclass", "another", "elsewhere"])
def test_what_others_read_is_left_to_vllm(manager: StatLoggerManager, case: str) -> None:
    """Loggers of plugins, and counts that are kept elsewhere."""

    class Other(PrometheusStatLogger):
        pass

    prometheus = manager.stat_loggers[-1]
    if case == "subclass":
        prometheus.__class__ = Other
    elif case == "another":
        manager.stat_loggers.append(SimpleNamespace())
    else:
        prometheus.histogram_inter_token_latency = {0: SimpleNamespace(observe=None)}
    stats = IterationStats()
    stats.inter_token_latencies_iter = [0.1]
    InterTokenLatencies(manager).observe(0, stats)
    assert stats.inter_token_latencies_iter == [0.1]
