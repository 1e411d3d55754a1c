"""How hypothesis searches: the same examples every time, or many new ones.

`HYPOTHESIS_PROFILE=explore make test ARGS=tests/parsers` looks for what nobody has seen yet; what
it finds becomes a case of its own.
"""

import os

from hypothesis import HealthCheck, settings

# A busy machine is no bug of a parser; that work is linear is tested without a clock.
settings.register_profile(
    "parsers",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore", settings.get_profile("parsers"), derandomize=False, max_examples=20_000
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "parsers"))
