"""A Prometheus histogram that is observed for every token."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import REGISTRY
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry


class Series:
    """One label value's observations.

    Args:
        bounds: the buckets' upper bounds, ascending, without infinity.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class TokenHistogram(Collector):
    """As prometheus_client's, for the event loop's thread alone: it takes no lock.

    There, an observation costs 1.5 µs, half of it for two locks; here a fifth of that.

    Args:
        name: of the metric.
        documentation: of the metric.
        label: the name of its only label.
        bounds: see `Series`.
        registry: where it is collected from.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        bounds: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._bounds = tuple(bounds)
        self._series: dict[str, Series] = {}
        registry.register(self)

    def labels(self, value: str) -> Series:
        """The series of one label value."""
        return self._series.setdefault(value, Series(self._bounds))

    def describe(self) -> Iterator[Metric]:
        yield HistogramMetricFamily(self._name, self._documentation, labels=[self._label])

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, series in self._series.items():
            total, buckets = 0, []
            for bound, count in zip((*self._bounds, float("inf")), series.counts, strict=True):
                total += count
                buckets.append((_told(bound), total))
            family.add_metric([value], buckets, series.sum)
        yield family


def _told(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(bound)
