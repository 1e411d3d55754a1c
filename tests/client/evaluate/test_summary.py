"""The numbers at the end, by hand."""

import pytest

from client.evaluate.outcomes import Failure, Outcome
from client.evaluate.scores import Scores
from client.evaluate.summary import summarise
from client.openai.types import Message, Usage

ASKED = (Message("user", "17 + 25?"),)
EARLIER = Outcome(
    "1", 0, ASKED, ("42",), "42", "", "stop", Usage(5, 40, 30), 10.0, 11.0, 12.0, Scores(1, 1, 0, 1)
)
FRESH = (
    Outcome(
        "2", 0, ASKED, ("6",), "6 6", "", "stop", Usage(5, 10), 20, 20, 1000, Scores(0, 0.5, 0, 0.5)
    ),
    Outcome("3", 0, ASKED, (), "", "hm", "length", Usage(7, 30, 30), 40.0, None, 2000.0),
    Outcome("4", 0, ASKED, ("8",), failure=Failure("refused", "HTTP 400: no")),
)


def test_quality_is_of_all_and_speed_of_this_run() -> None:
    """Earlier replies count for quality only; failures and what was not sent are counted apart."""
    summary = summarise("data", "demo", 6, [EARLIER], FRESH, 8, 4.0).flat()
    times = {name: summary.pop(name) for name in ("ttft_ms", "ttft_answer_ms", "e2e_ms")}
    assert [(each.mean, each.p50) for each in times.values()] == [
        pytest.approx((30, 30)),
        pytest.approx((20, 20)),
        pytest.approx((1500, 1500)),
    ]
    assert summary == {
        "data": "data",
        "model": "demo",
        "samples": 6,
        "answered": 3,
        "earlier": 1,
        "failed": 1,
        "unsent": 2,
        "errors": {"refused": 1},
        "finish_reasons": {"stop": 2, "length": 1},
        "empty": 1,
        "scored": 2,
        "exact_match": 0.5,
        "rouge1": 0.75,
        "rouge2": 0.0,
        "rougeL": 0.75,
        "answer_characters": pytest.approx(5 / 3),
        "answer_tokens": pytest.approx(20 / 3),
        "reasoning_tokens": 20.0,
        "concurrency": 8,
        "duration_s": 4.0,
        "prompt_tokens": 12,
        "completion_tokens": 40,
        "tokens_per_second": 10.0,
        "request_tokens_per_second_mean": 12.5,
        "request_tokens_per_second_p50": 12.5,
    }


def test_nothing_asked_is_no_number() -> None:
    """Means of nothing are null, not 0."""
    summary = summarise("data", "demo", 1, [], [], 8, 0.0).flat()
    assert (summary["exact_match"], summary["tokens_per_second"], summary["ttft_ms"]) == (None,) * 3
