"""A run's figures under vLLM's names, and what it warns of."""

import re
from dataclasses import replace

import pytest

from client.bench.cost import Cost
from client.bench.load import Lengths, Shape
from client.bench.prometheus import Counters
from client.bench.result import Result, fields, warnings
from client.openai.reply import Reply
from client.openai.types import Usage
from tests.client.bench.runs import REPLY, opened, result

VLLM = [
    *("date", "endpoint_type", "backend", "label", "model_id", "num_prompts", "request_rate"),
    *("burstiness", "max_concurrency", "duration", "completed", "failed", "total_input_tokens"),
    *("total_output_tokens", "request_throughput", "request_goodput", "output_throughput"),
    *("total_token_throughput", "max_output_tokens_per_s", "max_concurrent_requests"),
    *("spec_decode_acceptance_rate", "spec_decode_acceptance_length", "spec_decode_num_drafts"),
    *("spec_decode_draft_tokens", "spec_decode_accepted_tokens"),
    "spec_decode_per_position_acceptance_rates",
    *(
        f"{name}_{measure}_ms"
        for name in ("mean", "median", "std", "p50", "p90", "p99")
        for measure in ("ttft", "tpot", "itl", "e2el")
    ),
]
"""What `vllm bench serve` of vLLM 0.32 writes with `--save-result`."""


def test_figures_have_vllms_names() -> None:
    """All that `vllm bench serve` saves is there under its name, with the value that it means."""
    named = fields(result(REPLY, REPLY, None))
    assert set(VLLM) <= set(named)
    assert {name: named[name] for name in VLLM[:22]} == {
        "date": "20261121-083000",
        "endpoint_type": "openai",
        "backend": "openai",
        "label": "server",
        "model_id": "demo",
        "num_prompts": 3,
        "request_rate": "inf",
        "burstiness": 1.0,
        "max_concurrency": 8,
        "duration": 4.0,
        "completed": 2,
        "failed": 1,
        "total_input_tokens": 20,
        "total_output_tokens": 14,
        "request_throughput": 0.5,
        "request_goodput": 0.5,
        "output_throughput": 3.5,
        "total_token_throughput": 8.5,
        "max_output_tokens_per_s": 4,
        "max_concurrent_requests": 2,
        "spec_decode_acceptance_rate": 50.0,
        "spec_decode_acceptance_length": 2.5,
    }
    assert named["spec_decode_per_position_acceptance_rates"] == [1.0, 0.5, 0.0]
    assert (named["median_ttft_ms"], named["p99_tpot_ms"]) == pytest.approx((500.0, 250.0))


def test_ours_have_names_of_their_own() -> None:
    """What vLLM lacks stands beside it: TTFT of the answer, cache hits, processor time."""
    named = fields(result(REPLY))
    assert named["median_ttft_answer_ms"] == pytest.approx(1250)
    assert named["prefix_cache_hit_rate"] == 2.5
    assert named["client_cpu_percent"] == 10.0
    assert named["client_cpu_us_per_token"] == pytest.approx(0.4e6 / 7)
    assert named["server_cpu_ms_per_token"] == pytest.approx(400)
    assert named["client_lag_mean_ms"] == pytest.approx(2.0)
    assert named["sent_late_p99_ms"] is None
    assert named["warnings"] == []


def test_what_was_not_measured_is_null() -> None:
    """Without replies and counters there are no times and no rates, rather than zeros."""
    run = replace(result(None), counters=None, cost=Cost())
    named = fields(run)
    assert named["median_ttft_ms"] is named["p99_ttft_answer_ms"] is None
    assert named["prefix_cache_hit_rate"] is named["server_cpu_ms_per_token"] is None
    assert "spec_decode_acceptance_rate" not in named


def test_an_open_loop_says_how_late_it_was() -> None:
    """The rate takes the place of the concurrency, and lateness is measured."""
    named = fields(opened(result(REPLY), 0.004))
    assert (named["request_rate"], named["max_concurrency"]) == (2.0, None)
    assert named["sent_late_p99_ms"] == pytest.approx(4.0)


SILENT = Reply(0.0, (1.0, 2.0), None, usage=Usage(10, 7))
CUT = Reply(0.0, (1.0, 2.0), 1.0, usage=Usage(10, 3))
UNCOUNTED = Reply(0.0, (1.0, 2.0), 1.0)


LONGER = Shape(Lengths(11, 13), None)


def chat(run: Result) -> Result:
    """The same on the chat route, where a reply may think and not answer."""
    return replace(run, shape=replace(run.shape, kind="chat"))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (result(REPLY, None), r"1 of 2 requests failed \(1 refused\): HTTP 503: full"),
        (result(REPLY, UNCOUNTED), "did not count its tokens"),
        (
            replace(result(REPLY), shape=LONGER),
            "10 tokens on average, not 12",
        ),
        (result(REPLY, CUT), "1 of 2 replies are shorter than asked"),
        (chat(result(REPLY, SILENT)), "1 of 2 replies have no answer"),
        (replace(result(REPLY), cost=Cost(4.0, 3.6)), "bottleneck.* used 90 % of a core"),
        (replace(result(REPLY), cost=Cost(4.0, 0.4, None, [0.2])), "bottleneck.* 200.0 ms late"),
        (opened(result(REPLY), 0.05), "later than planned: p99 50 ms"),
        (
            replace(result(REPLY), counters=Counters(generated_tokens=70)),
            "generated 70 tokens meanwhile, 7 of them for us",
        ),
        (
            replace(result(REPLY), counters=Counters(prefix_queries=10, prefix_hits=8)),
            "80 % of the prompts came from the prefix cache",
        ),
    ],
)
def test_each_doubt_is_told(run: Result, words: str) -> None:
    """What makes figures doubtful is one sentence, and the only one."""
    (sentence,) = warnings(run)
    assert re.search(words, sentence)


def test_shared_prefixes_are_no_surprise() -> None:
    """Cache hits are warned of only beyond the prefix that was asked for."""
    run = replace(result(REPLY), counters=Counters(prefix_queries=10, prefix_hits=8))
    assert warnings(replace(run, shape=replace(run.shape, kind="ids", prefix_tokens=40))) == []
