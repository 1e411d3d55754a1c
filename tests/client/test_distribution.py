"""What there is to say of many times."""

import pytest

from client.distribution import Distribution


def test_percentiles_lie_between_neighbours() -> None:
    """Percentiles are linear between neighbours, and the deviation is the population's."""
    of = Distribution.of([0.001, 0.002, 0.003, 0.004, 0.005])
    assert of is not None
    assert (of.mean, of.p50, of.p90, of.p99) == pytest.approx((3.0, 3.0, 4.6, 4.96))
    assert of.std == pytest.approx(2**0.5)
    assert Distribution.of([]) is None
