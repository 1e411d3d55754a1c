"""The page of metrics: every promised series is there, moves, and stays bounded."""

import asyncio
import re
from typing import Any

import pytest

from engine.errors import BadGeneration, EngineBusy
from tests.conftest import RunServer, eventually
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import CHAT, HELLO, STREAM, grown, held, let_go

pytestmark = pytest.mark.anyio

TOKENS = len("<think>\nLet me see.\n</think>\n\nIt is 42.")
REASONING = len("<think>\nLet me see.\n</think>")
DEMO = '{model="demo"}'

PROMISED = {
    "counter": """requests_total rejections_total client_disconnects_total engine_aborts_total
        prompt_tokens_total cached_prompt_tokens_total completion_tokens_total
        reasoning_tokens_total stream_errors_total""",
    "histogram": """time_to_first_token_seconds time_to_first_answer_token_seconds
        inter_token_latency_seconds thinking_seconds request_duration_seconds queue_seconds""",
    "gauge": """requests_in_flight ready engine_up warmup_seconds event_loop_lag_seconds
        orphaned_engine_requests build_info""",
}


@pytest.mark.parametrize(
    ("stream", "visibility"), [(True, "parsed"), (True, "hidden"), (False, "raw")]
)
async def test_a_request_is_counted(run_server: RunServer, stream: bool, visibility: str) -> None:
    """Tokens, times and the request itself, whatever the client sees of the thinking."""
    engine = FakeEngine(cached_tokens=5)
    async with run_server(engine) as running:
        before = await running.metrics()
        body = {**HELLO, "stream": stream}
        assert (await running.ask("POST", f"/{visibility}{CHAT}", body)).status == 200
        growth = grown(before, await running.metrics())
    told = "true" if stream else "false"
    labels = f'method="POST",route="{CHAT}",status="200",stream="{told}"'
    assert growth[f"gateway_requests_total{{{labels}}}"] == 1
    (prompt,) = engine.requests[0].prompts
    assert growth[f"gateway_prompt_tokens_total{DEMO}"] == len(prompt.token_ids)
    assert growth[f"gateway_cached_prompt_tokens_total{DEMO}"] == 5
    assert growth[f"gateway_completion_tokens_total{DEMO}"] == TOKENS
    reasoning = f'gateway_reasoning_tokens_total{{model="demo",visibility="{visibility}"}}'
    assert growth[reasoning] == REASONING
    counts = {
        "time_to_first_token": 1,
        "time_to_first_answer_token": 1 if stream else 0,
        "inter_token_latency": TOKENS - 1 if stream else 0,
        "thinking": 1 if stream else 0,
        "request_duration": 1,
        "queue": 1,
    }
    for name, count in counts.items():
        assert growth.get(f"gateway_{name}_seconds_count{DEMO}", 0) == count, name


async def test_every_promised_series_is_there(run_server: RunServer) -> None:
    """Dashboards are built on these names: each has its type and says what it is."""
    async with run_server(FakeEngine()) as running:
        page = (await running.ask("GET", "/metrics")).body.decode()
    for kind, names in PROMISED.items():
        for name in names.split():
            assert f"# TYPE gateway_{name} {kind}\n" in page
            assert re.search(rf"^# HELP gateway_{name} \S", page, re.MULTILINE)
    assert "# TYPE python_info gauge" in page  # the registry that vLLM's series are in


async def test_gauges(run_server: RunServer) -> None:
    """Ready, alive, nothing orphaned; what is in flight is shown, and gone afterwards."""
    engine = held()
    async with run_server(engine) as running:
        asking = asyncio.create_task(running.ask("POST", CHAT, HELLO))
        await eventually(lambda: engine.open)
        during = await running.metrics()
        let_go(engine)
        await asking
        after = await running.metrics()
    in_flight = f'gateway_requests_in_flight{{route="{CHAT}"}}'
    assert (during[in_flight], after[in_flight]) == (1, 0)
    assert (after["gateway_ready"], after["gateway_engine_up"]) == (1, 1)
    assert after["gateway_orphaned_engine_requests"] == 0
    assert 0 <= after["gateway_event_loop_lag_seconds"] < 1
    assert any(name.startswith("gateway_build_info{") for name in after)


async def test_rejections_stops_and_errors_are_counted(run_server: RunServer) -> None:
    """Each by its reason."""
    async with run_server(FakeEngine(fails_after=3), "limits.max_concurrent_requests=1") as running:
        before = await running.metrics()
        await running.ask("POST", CHAT, STREAM)
        await running.ask("POST", CHAT, {**HELLO, "stop": "<never>", "max_tokens": 2})
        growth = grown(before, await running.metrics())
    assert growth['gateway_stream_errors_total{code="engine_dead"}'] == 1
    assert growth['gateway_engine_aborts_total{reason="error"}'] == 1
    async with run_server(FakeEngine()) as running:
        before = await running.metrics()
        await running.ask("POST", CHAT, {**HELLO, "stop": "is"})
        running.lifecycle.admission.status = "draining"
        await running.ask("POST", CHAT, HELLO)
        growth = grown(before, await running.metrics())
        running.lifecycle.admission.status = "ready"
    assert growth['gateway_engine_aborts_total{reason="stop_string"}'] == 1
    assert growth['gateway_rejections_total{reason="server_draining"}'] == 1


@pytest.mark.parametrize("refusal", [BadGeneration("no", "top_k"), EngineBusy("full")])
@pytest.mark.parametrize("body", [HELLO, STREAM])
async def test_what_was_refused_has_cost_nothing(
    run_server: RunServer, refusal: Exception, body: dict[str, Any]
) -> None:
    """What the engine has not taken was not aborted, took no time and has no tokens."""
    async with run_server(FakeEngine(refuses=refusal)) as running:
        before = await running.metrics()
        assert (await running.ask("POST", CHAT, body)).status in (400, 503)
        growth = grown(before, await running.metrics())
    ours = {name.partition("{")[0] for name in growth if name.startswith("gateway_")}
    assert ours - {"gateway_event_loop_lag_seconds"} <= {
        *("gateway_requests_total", "gateway_requests_created"),
        *("gateway_requests_in_flight", "gateway_requests_in_flight_created"),
    }
    assert "gateway_requests_total" in ours


async def test_what_clients_make_up_adds_no_series(run_server: RunServer) -> None:
    """Paths, methods and models of a client's own make share their labels."""
    async with run_server(FakeEngine()) as running:
        for number in range(2):
            await _make_things_up(running.ask, number)
        before = (await running.metrics()).keys()
        for number in range(2, 100):
            await _make_things_up(running.ask, number)
        after = (await running.metrics()).keys()
    assert after == before


async def _make_things_up(ask: Any, number: int) -> None:
    await ask("GET", f"/made/up/{number}")
    await ask("GET", f"/v1/models/made-up-{number}")
    await ask(f"MADE{number}" if number % 2 else "REPORT", CHAT)
    await ask("POST", CHAT, {**HELLO, "model": f"made-up-{number}"})
