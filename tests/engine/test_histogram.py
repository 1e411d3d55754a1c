"""`engine.histogram`: the same page as prometheus_client's own histogram."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from engine.histogram import TokenHistogram

BOUNDS = (0.001, 0.5, 1.0, 5.0)
VALUES = st.lists(st.one_of(st.sampled_from([0.0, *BOUNDS]), st.floats(0, 10)))


def page(registry: CollectorRegistry) -> list[str]:
    """What Prometheus reads, but for the times at which series began."""
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


@given(st.dictionaries(st.sampled_from(["a", "b"]), VALUES))
def test_it_reads_as_the_librarys(observed: dict[str, list[float]]) -> None:
    """Buckets, counts and sums of every label value."""
    registries = CollectorRegistry(), CollectorRegistry()
    ours = TokenHistogram("seconds", "How long", "model", BOUNDS, registries[0])
    theirs = Histogram("seconds", "How long", ["model"], buckets=BOUNDS, registry=registries[1])
    for model, values in observed.items():
        for histogram in (ours, theirs):
            series = histogram.labels(model)
            for value in values:
                series.observe(value)
    assert page(registries[0]) == page(registries[1])
