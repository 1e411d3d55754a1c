"""How long hypothesis may take."""

from hypothesis import HealthCheck, settings

# A busy machine is no bug of a parser; that work is linear is tested without a clock.
settings.register_profile("parsers", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("parsers")
