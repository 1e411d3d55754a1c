"""What there is to say of many times. Percentiles are numpy's, linear between neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Distribution:
    """All in milliseconds."""

    mean: float
    std: float
    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Distribution | None":
        """Return that of times in seconds; None if there are none."""
        if not seconds:
            return None
        values = np.asarray(seconds) * 1000
        p50, p90, p99 = (float(value) for value in np.percentile(values, (50, 90, 99)))
        return cls(float(values.mean()), float(values.std()), p50, p90, p99)
