"""The benchmark's formulas, with figures worked out by hand."""

import pytest

from client.bench.measures import MEASURES, Attempt, meets, totals
from client.openai.reply import Reply
from client.openai.types import Usage

FAST = Reply(100.0, (100.5, 100.75, 101.25, 102.0), 101.25, usage=Usage(10, 7, 4, 8))
"""TTFT 0.5, of the answer 1.25, E2E 2.0, TPOT 1.5 / 6 = 0.25 s."""
SHORT = Reply(101.0, (104.0,), None, usage=Usage(20, 1))
"""TTFT and E2E 3.0 s; one token has no TPOT; no answer."""


def attempts(*replies: Reply | None) -> list[Attempt]:
    """One attempt a reply; None has failed."""
    return [
        Attempt(number, 7, 0.0, 0.0, reply, *(("", "") if reply else ("HTTP 503: full", "refused")))
        for number, reply in enumerate(replies)
    ]


def test_each_measure_follows_its_formula() -> None:
    """A reply's times give the figures that one works out with pencil and paper."""
    assert {measure.key: list(measure.of(FAST)) for measure in MEASURES} == {
        "ttft": [0.5],
        "ttft_answer": [1.25],
        "itl": [0.25, 0.5, 0.75],
        "tpot": [0.25],
        "e2el": [2.0],
    }


def test_what_a_reply_lacks_counts_nowhere() -> None:
    """A reply of one token has no TPOT and no ITL, and without answer no TTFT of it."""
    assert {measure.key: list(measure.of(SHORT)) for measure in MEASURES} == {
        "ttft": [3.0],
        "ttft_answer": [],
        "itl": [],
        "tpot": [],
        "e2el": [3.0],
    }


def test_totals_add_up() -> None:
    """Throughput is what completed by the time it took; failures count, by kind, and bring none."""
    run = totals(attempts(FAST, None, SHORT, None), 4.0, {})
    assert (run.completed, run.failed, run.errors) == (2, 2, {"refused": 2})
    assert (run.input_tokens, run.output_tokens, run.cached_tokens) == (30, 8, 8)
    assert (run.request_throughput, run.output_throughput) == (0.5, 2.0)
    assert run.total_throughput == 9.5
    assert run.answered == 1
    assert run.goodput is None
    ttft, itl = run.times["ttft"], run.times["itl"]
    assert ttft is not None
    assert itl is not None
    assert (ttft.p50, itl.mean) == pytest.approx((1750, 500))
    assert run.counted


def test_the_fullest_second() -> None:
    """Pieces and requests are counted by seconds from the first request, as vLLM does."""
    run = totals(attempts(FAST, SHORT), 4.0, {})
    assert run.most_tokens == 2  # at 0.5 and 0.75
    assert run.most_requests == 2  # FAST from 0 to 2, SHORT from 1 to 4


def test_pieces_stand_in_for_tokens_that_nobody_counted() -> None:
    """Without usage, each piece is a token, and the run says so."""
    run = totals(attempts(Reply(0.0, (1.0, 2.0, 3.0), 1.0)), 3.0, {})
    assert (run.output_tokens, run.counted) == (3, False)


def test_nothing_but_failures() -> None:
    """A run without a reply has no times, and no speed."""
    run = totals(attempts(None), 1.0, {"ttft": 1.0})
    assert (run.completed, run.failed, run.output_throughput, run.goodput) == (0, 1, 0.0, 0.0)
    assert set(run.times.values()) == {None}


@pytest.mark.parametrize(
    ("reply", "slo", "met"),
    [
        (FAST, {"ttft": 500.0, "tpot": 250.0, "e2el": 2000.0}, True),
        (FAST, {"ttft": 499.0, "tpot": 250.0}, False),
        (FAST, {"ttft": 500.0, "tpot": 249.0}, False),
        (SHORT, {"tpot": 1.0}, True),  # one token: 0, as in vLLM
        (SHORT, {"ttft_answer": 9999.0}, False),
    ],
)
def test_objectives_are_met_all_or_not(reply: Reply, slo: dict[str, float], met: bool) -> None:
    """Goodput counts the requests that kept to every objective, to the millisecond."""
    assert meets(reply, slo) is met
    assert totals(attempts(reply), 2.0, slo).goodput == (0.5 if met else 0.0)
