"""One run's result: what was asked, what came, what it cost, and what to be wary of.

`fields` has the names that `vllm bench serve --save-result` gives them (vLLM 0.32).
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from client.bench.cost import Cost
from client.bench.load import Level, Shape
from client.bench.measures import MEASURES, Attempt, Totals
from client.bench.prometheus import Counters, draft_fields
from client.distribution import Distribution

_BUSY_PERCENT = 80.0
"""Of one core: all that the client's event loop can have."""
_LAG_SHARE = 0.25
"""How much of the ITL the event loop may be late on average before times can't be trusted."""
_LATE_MS = 10.0
_FOREIGN_SHARE = 1.05
_LENGTH_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Result:
    """One level against one server.

    Attributes:
        label: the server's name in tables.
        model: the served model's name.
        date: when it began.
        level: how hard the server was pressed.
        shape: what was sent.
        seed: of what was sent.
        attempts: every request.
        totals: what they amount to.
        counters: what the server counted meanwhile; None if it does not tell.
        cost: processor time.
    """

    label: str
    model: str
    date: datetime
    level: Level
    shape: Shape
    seed: int
    attempts: Sequence[Attempt]
    totals: Totals
    counters: Counters | None
    cost: Cost

    @property
    def late(self) -> Distribution | None:
        """How much later than planned requests were sent; None in a closed loop."""
        if self.level.rate is None:
            return None
        return Distribution.of([attempt.sent - attempt.planned for attempt in self.attempts])

    @property
    def client_is_bottleneck(self) -> bool:
        """Whether the times say more of this client than of the server."""
        itl, lag = self.totals.times["itl"], self.cost.lag
        slow = bool(itl and lag and lag.mean > _LAG_SHARE * itl.mean)
        return slow or self.cost.client_percent > _BUSY_PERCENT

    @property
    def server_ms_per_token(self) -> float | None:
        """Processor time of the server for an output token; None if it is not watched."""
        if self.cost.server is None or not self.totals.output_tokens:
            return None
        return 1000 * self.cost.server / self.totals.output_tokens

    @property
    def client_us_per_token(self) -> float | None:
        """Processor time of this client for an output token."""
        tokens = self.totals.output_tokens
        return 1e6 * self.cost.client / tokens if tokens else None


def fields(result: Result) -> dict[str, object]:
    """Return it under the names of `vllm bench serve`, and ours where it has none."""
    return _identity(result) | _amounts(result.totals) | _times(result.totals) | _ours(result)


def _identity(result: Result) -> dict[str, object]:
    level, shape = result.level, result.shape
    backend = "openai-chat" if shape.kind == "chat" else "openai"
    return {
        "date": result.date.strftime("%Y%m%d-%H%M%S"),
        "endpoint_type": backend,
        "backend": backend,
        "label": result.label,
        "model_id": result.model,
        "num_prompts": level.requests,
        "request_rate": level.rate or "inf",
        "burstiness": 1.0,
        "max_concurrency": level.concurrency,
        "num_warmups": level.warmup,
        "seed": result.seed,
        "prompts": shape.kind,
        "input_tokens": None if shape.data else str(shape.input_tokens),
        "output_tokens": shape.output_tokens and str(shape.output_tokens),
        "prefix_tokens": shape.prefix_tokens,
        "prefixes": shape.prefixes,
    }


def _amounts(totals: Totals) -> dict[str, object]:
    return {
        "duration": totals.duration,
        "completed": totals.completed,
        "failed": totals.failed,
        "total_input_tokens": totals.input_tokens,
        "total_output_tokens": totals.output_tokens,
        "request_throughput": totals.request_throughput,
        "request_goodput": totals.goodput,
        "output_throughput": totals.output_throughput,
        "total_token_throughput": totals.total_throughput,
        "max_output_tokens_per_s": totals.most_tokens,
        "max_concurrent_requests": totals.most_requests,
    }


def _times(totals: Totals) -> dict[str, object]:
    named: dict[str, object] = {}
    for measure in MEASURES:
        times = totals.times[measure.key]
        for name, value in (
            ("mean", times and times.mean),
            ("median", times and times.p50),
            ("std", times and times.std),
            ("p50", times and times.p50),
            ("p90", times and times.p90),
            ("p99", times and times.p99),
        ):
            named[f"{name}_{measure.key}_ms"] = value
    return named


def _ours(result: Result) -> dict[str, object]:
    counters, lag, late = result.counters, result.cost.lag, result.late
    named: dict[str, object] = {
        "answered": result.totals.answered,
        "errors_by_kind": dict(result.totals.errors),
        "cached_input_tokens": result.totals.cached_tokens,
        "prefix_cache_hit_rate": counters and counters.prefix_hit_rate,
        "client_cpu_percent": result.cost.client_percent,
        "client_cpu_us_per_token": result.client_us_per_token,
        "client_lag_mean_ms": lag and lag.mean,
        "client_lag_p99_ms": lag and lag.p99,
        "client_is_bottleneck": result.client_is_bottleneck,
        "sent_late_p50_ms": late and late.p50,
        "sent_late_p99_ms": late and late.p99,
        "server_cpu_ms_per_token": result.server_ms_per_token,
        "warnings": warnings(result),
    }
    if counters and counters.acceptance_rate is not None:
        named |= draft_fields(counters)
    return named


def warnings(result: Result) -> list[str]:
    """Return what a reader must know before believing the figures, one sentence each."""
    kinds = (_about_requests, _about_lengths, _about_client, _about_others)
    return [sentence for about in kinds for sentence in about(result)]


def _about_requests(result: Result) -> list[str]:
    totals, told = result.totals, []
    if totals.failed:
        kinds = ", ".join(f"{count} {kind}" for kind, count in totals.errors.items())
        first = next(attempt.error for attempt in result.attempts if not attempt.reply)
        told.append(f"{totals.failed} of {len(result.attempts)} requests failed ({kinds}): {first}")
    if totals.completed and not totals.counted:
        told.append("the server did not count its tokens: each piece is taken for one")
    if result.shape.kind == "chat" and totals.answered < totals.completed:
        silent = totals.completed - totals.answered
        told.append(f"{silent} of {totals.completed} replies have no answer, and no TTFT of it")
    return told


def _about_lengths(result: Result) -> list[str]:
    totals, shape, told = result.totals, result.shape, list[str]()
    replies = [(attempt.asked, attempt.reply) for attempt in result.attempts if attempt.reply]
    short = sum(
        asked is not None and 0 < reply.usage.completion_tokens < asked for asked, reply in replies
    )
    if shape.fields.get("ignore_eos") and short:
        told.append(f"{short} of {totals.completed} replies are shorter than asked")
    mean = (shape.input_tokens.low + shape.input_tokens.high) / 2 + shape.prefix_tokens
    got = totals.input_tokens / totals.completed if totals.counted and totals.completed else mean
    if shape.kind == "text" and abs(got - mean) > _LENGTH_SHARE * mean:
        told.append(f"prompts have {got:.0f} tokens on average, not {mean:.0f} as asked for")
    return told


def _about_client(result: Result) -> list[str]:
    told, percent, late = [], result.cost.client_percent, result.late
    if result.client_is_bottleneck:
        lag = statistics.fmean(result.cost.lags or [0.0]) * 1000
        told.append(
            "this client or its machine is the bottleneck, not the server: it used "
            f"{percent:.0f} % of a core and came {lag:.1f} ms late to what was due, on average"
        )
    if late and late.p99 > _LATE_MS:
        told.append(f"requests were sent later than planned: p99 {late.p99:.0f} ms")
    return told


def _about_others(result: Result) -> list[str]:
    counters, told = result.counters, list[str]()
    if counters is None:
        return told
    if not result.totals.failed and (
        counters.generated_tokens > _FOREIGN_SHARE * result.totals.output_tokens
    ):
        told.append(
            f"the server generated {counters.generated_tokens:.0f} tokens meanwhile, "
            f"{result.totals.output_tokens} of them for us: somebody else was there"
        )
    hits, shape = counters.prefix_hit_rate or 0.0, result.shape
    meant = shape.prefix_tokens / (shape.prefix_tokens + shape.input_tokens.low)
    if not shape.data and hits > 100 * meant + 5:
        told.append(
            f"{hits:.0f} % of the prompts came from the prefix cache: "
            "it knew them from an earlier run; take another --seed"
        )
    return told
