"""Our instruments, and the page that shows them beside vLLM's.

Names begin with `gateway_`: vLLM unregisters every collector with `vllm` in its name when its own
logger starts. Labels are bounded: routes come from the route table, models from the configuration.
"""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from engine.histogram import TokenHistogram

_LATENCIES = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)
_GAPS = (0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

REQUESTS = Counter("gateway_requests", "Requests answered", ["route", "method", "status", "stream"])
IN_FLIGHT = Gauge("gateway_requests_in_flight", "Requests being answered", ["route"])
REJECTIONS = Counter("gateway_rejections", "Requests turned away", ["reason"])
DISCONNECTS = Counter("gateway_client_disconnects", "Clients gone before their answer was")
ABORTS = Counter("gateway_engine_aborts", "Engine requests ended before their time", ["reason"])
STREAM_ERRORS = Counter("gateway_stream_errors", "Errors sent inside a stream", ["code"])

PROMPT_TOKENS = Counter("gateway_prompt_tokens", "Prompt tokens", ["model"])
CACHED_TOKENS = Counter("gateway_cached_prompt_tokens", "Prompt tokens found cached", ["model"])
COMPLETION_TOKENS = Counter("gateway_completion_tokens", "Completion tokens", ["model"])
REASONING_TOKENS = Counter(
    "gateway_reasoning_tokens", "Completion tokens that are thinking", ["model", "visibility"]
)

FIRST_TOKEN = Histogram(
    "gateway_time_to_first_token_seconds", "From arrival", ["model"], buckets=_LATENCIES
)
FIRST_ANSWER_TOKEN = Histogram(
    "gateway_time_to_first_answer_token_seconds",
    "From arrival to the first text of the answer; streams only",
    ["model"],
    buckets=_LATENCIES,
)
INTER_TOKEN = TokenHistogram(
    "gateway_inter_token_latency_seconds",
    "Between deltas of one choice; streams only",
    "model",
    _GAPS,
)
THINKING = Histogram(
    "gateway_thinking_seconds",
    "From the first token to the end of thinking; streams only",
    ["model"],
    buckets=_LATENCIES,
)
DURATION = Histogram(
    "gateway_request_duration_seconds", "From arrival to the end", ["model"], buckets=_LATENCIES
)
QUEUE = Histogram(
    "gateway_queue_seconds", "From acceptance to scheduling", ["model"], buckets=_LATENCIES
)

READY = Gauge("gateway_ready", "1 while requests are taken")
ENGINE_UP = Gauge("gateway_engine_up", "1 while the engine lives")
WARMUP = Gauge("gateway_warmup_seconds", "What each step of the warmup took", ["step"])
LOOP_LAG = Gauge("gateway_event_loop_lag_seconds", "How late the event loop last woke up")
ORPHANS = Gauge("gateway_orphaned_engine_requests", "Engine requests that nobody waits for")
BUILD = Gauge("gateway_build_info", "1, labelled with versions", ["version", "vllm"])


def page() -> tuple[bytes, str]:
    """All series in this process as Prometheus text, and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST
