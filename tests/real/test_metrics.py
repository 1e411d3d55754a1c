"""`/metrics` with a real engine behind it."""

from collections import Counter

from tests.real.gateways import CHAT, COMPLETIONS, QUESTION, Gateway
from tests.real.replies import THINKING_TOKENS, TOKENS

PROMISED = {
    *("requests", "requests_in_flight", "rejections", "client_disconnects"),
    *("engine_aborts", "time_to_first_token_seconds", "time_to_first_answer_token_seconds"),
    *("inter_token_latency_seconds", "thinking_seconds", "request_duration_seconds"),
    *("queue_seconds", "prompt_tokens", "cached_prompt_tokens", "completion_tokens"),
    *("reasoning_tokens", "ready", "engine_up", "warmup_seconds", "event_loop_lag_seconds"),
    *("orphaned_engine_requests", "build_info", "stream_errors"),
}


def test_one_page_has_both(gateway: Gateway) -> None:
    """All of ours and vLLM's stand on one page, each family once."""
    families = Counter(family.name for family in gateway.metrics().families)
    assert {f"gateway_{name}" for name in PROMISED} <= set(families)
    assert sum(name.startswith("vllm:") for name in families) > 20
    assert set(families.values()) == {1}


def test_counters_move(gateway: Gateway) -> None:
    """What we count is what the engine counts."""
    request = {"messages": QUESTION, "temperature": 0}
    before = gateway.metrics()
    with gateway.client() as client:
        for path in ("/v1", "/hidden/v1"):
            client.post(path + CHAT.removeprefix("/v1"), json=request).raise_for_status()
        client.post(CHAT, json={**request, "stream": True}).raise_for_status()
        short = {"prompt": [5, 6, 7], "max_tokens": 4, "temperature": 0}
        client.post(COMPLETIONS, json=short).raise_for_status()
        assert client.post(CHAT, json={"messages": []}).status_code == 400
    gateway.wait_until_idle()
    after = gateway.metrics()

    def moved(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert moved("gateway_requests_total", route=CHAT, status="200", stream="false") == 2
    assert moved("gateway_requests_total", route=CHAT, status="200", stream="true") == 1
    assert moved("gateway_requests_total", route=CHAT, status="400") == 1
    assert moved("gateway_requests_total", route=COMPLETIONS, status="200") == 1
    assert moved("gateway_completion_tokens_total") == 3 * TOKENS + 4
    assert moved("gateway_completion_tokens_total") == moved("vllm:generation_tokens_total")
    assert moved("gateway_prompt_tokens_total") == moved("vllm:prompt_tokens_total")
    assert moved("gateway_reasoning_tokens_total", visibility="parsed") == 2 * THINKING_TOKENS
    assert moved("gateway_reasoning_tokens_total", visibility="hidden") == THINKING_TOKENS
    assert moved("gateway_time_to_first_token_seconds_count") == 4
    assert moved("gateway_time_to_first_answer_token_seconds_count") == 1
    assert moved("gateway_request_duration_seconds_count") == 4
    assert moved("gateway_queue_seconds_count") == 4
    assert moved("vllm:request_success_total") == 4
    assert after.value("gateway_ready") == after.value("gateway_engine_up") == 1
    assert after.value("gateway_build_info") == 1
