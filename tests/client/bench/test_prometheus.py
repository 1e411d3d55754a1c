"""vLLM's counters, read from a page as vLLM 0.32 writes it."""

import asyncio

import pytest

from client.bench.prometheus import Counters, fetch_counters, read_counters
from client.openai.server import Server
from tests.client.servers import Script, serve

PAGE = """\
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="demo"} 1200.0
vllm:generation_tokens_created{engine="0",model_name="demo"} 1.795246064067674e+09
# HELP vllm:prefix_cache_queries_total Prefix cache queries, in terms of number of queried tokens.
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine="0",model_name="demo"} 600.0
vllm:prefix_cache_queries_total{engine="1",model_name="demo"} 200.0
# HELP vllm:prefix_cache_hits_total Prefix cache hits, in terms of number of cached tokens.
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{engine="0",model_name="demo"} 128.0
vllm:prefix_cache_hits_total{engine="1",model_name="demo"} 72.0
# HELP vllm:external_prefix_cache_hits_total External prefix cache hits.
# TYPE vllm:external_prefix_cache_hits_total counter
vllm:external_prefix_cache_hits_total{engine="0",model_name="demo"} 5000.0
# HELP vllm:spec_decode_num_drafts_total Number of spec decoding drafts.
# TYPE vllm:spec_decode_num_drafts_total counter
vllm:spec_decode_num_drafts_total{engine="0",model_name="demo"} 400.0
# HELP vllm:spec_decode_num_draft_tokens_total Number of draft tokens.
# TYPE vllm:spec_decode_num_draft_tokens_total counter
vllm:spec_decode_num_draft_tokens_total{engine="0",model_name="demo"} 1200.0
# HELP vllm:spec_decode_num_accepted_tokens_total Number of accepted tokens.
# TYPE vllm:spec_decode_num_accepted_tokens_total counter
vllm:spec_decode_num_accepted_tokens_total{engine="0",model_name="demo"} 780.0
# HELP vllm:spec_decode_num_accepted_tokens_per_pos_total Accepted tokens per draft position.
# TYPE vllm:spec_decode_num_accepted_tokens_per_pos_total counter
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="demo",position="0"} 380.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="demo",position="1"} 260.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="demo",position="2"} 140.0
"""

BEFORE = Counters(100, 300, 180, {0: 80, 1: 60, 2: 40}, 300, 100, 200)


def test_counters_are_read() -> None:
    """Each counter is its own, those of several engines are added, others are left alone."""
    assert read_counters(PAGE) == Counters(400, 1200, 780, {0: 380, 1: 260, 2: 140}, 800, 200, 1200)


def test_rates_of_a_run() -> None:
    """Rates are of what was counted during the run: 600 of 900 drafted in 300 drafts."""
    after = read_counters(PAGE)
    assert after is not None
    run = after.since(BEFORE)
    assert run.acceptance_rate == pytest.approx(100 * 600 / 900)
    assert run.acceptance_length == pytest.approx(3.0)
    assert run.acceptance_per_position == pytest.approx([1.0, 200 / 300, 100 / 300])
    assert run.prefix_hit_rate == pytest.approx(20.0)
    assert run.generated_tokens == 1000


def test_a_server_without_drafts_has_no_acceptance() -> None:
    """Nothing drafted, nothing looked up: no rates, rather than zeros."""
    run = Counters()
    assert run.acceptance_rate is run.acceptance_length is run.prefix_hit_rate is None
    assert run.acceptance_per_position == []


@pytest.mark.parametrize("page", ["", "python_info 1.0\n", "<html>not one</html>", PAGE])
def test_servers_that_do_not_tell(page: str) -> None:
    """A page of something else is no error: there are just no counters."""

    async def fetch() -> Counters | None:
        async with serve(Script(metrics=page)) as url, Server(url) as server:
            return await fetch_counters(server)

    assert (asyncio.run(fetch()) is None) == (page != PAGE)
