"""The formulas of a reply."""

from client.openai.reply import Reply
from client.openai.types import Usage


def test_rate_needs_counts_and_time() -> None:
    """Tokens per second are completion tokens / E2E, or unknown."""
    assert Reply(1, (1.5, 3.0), usage=Usage(5, 20)).tokens_per_second == 10
    assert Reply(1, (1.5, 3.0)).tokens_per_second is None
    assert Reply(1, usage=Usage(5, 20)).tokens_per_second is None
