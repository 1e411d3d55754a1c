"""The figures of engines side by side: a table for people, `vllm bench serve`'s names for scripts.

Formulas are those of `client.bench.measures`, for outputs of the engine in place of a stream's
pieces, from when it is handed the prompt: no server and no network is in them, nor are start and
warm-up.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from client.bench.measures import MEASURES, Attempt, Totals, totals
from client.bench.prometheus import draft_fields
from client.bench.report import wide_console
from client.engines.process import Measured
from client.openai.reply import Reply
from client.openai.types import Usage

_CAPTION = (
    "One request after another, greedy, no server in between. Times in ms; ratio: tokens/s, to the "
    "first line's;\naccepted: % of the draft tokens; length: tokens a step of the model; same: "
    "replies with the first line's tokens."
)

_COMPARED = ("output_throughput", "median_ttft_ms", "median_tpot_ms")

_COLUMNS = (
    ("engine", "engine"),
    ("method", "method"),
    ("requests", "completed"),
    ("TTFT p50", "median_ttft_ms"),
    ("TTFT p99", "p99_ttft_ms"),
    ("TPOT p50", "median_tpot_ms"),
    ("tokens/s", "output_throughput"),
    ("ratio", "ratio"),
    ("accepted", "spec_decode_acceptance_rate"),
    ("length", "spec_decode_acceptance_length"),
    ("same", "same"),
)


def figures(runs: Sequence[Measured]) -> list[dict[str, object]]:
    """Return each run's figures under their names; the first is what the others are compared to."""
    found = [
        _identity(run)
        | _amounts(_totals(run))
        | (draft_fields(run.counters) if run.counters else {})
        for run in runs
    ]
    for run, named in zip(runs, found, strict=True):
        pairs = zip(runs[0].answers, run.answers, strict=True)
        named["identical_to_first"] = sum(a.token_ids == b.token_ids for a, b in pairs)
        named["ratio_to_first"] = {
            name: _ratio(named.get(name), found[0].get(name)) for name in _COMPARED
        }
    return found


def show(found: Sequence[Mapping[str, Any]]) -> None:
    console = wide_console()
    grid = Table(caption=_CAPTION, caption_justify="left")
    for number, (title, _) in enumerate(_COLUMNS):
        grid.add_column(title, justify="left" if number < 2 else "right", no_wrap=number == 0)
    for named in found:
        shown = {
            **named,
            "method": ", ".join(filter(None, (named["method"], named["speculative_method"]))),
            "ratio": named["ratio_to_first"]["output_throughput"],
            "same": f"{named['identical_to_first']}/{named['completed']}",
        }
        grid.add_row(*(Text(_shown(shown.get(key))) for _, key in _COLUMNS))
    console.print(grid)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return "" if value is None else str(value)


def _totals(run: Measured) -> Totals:
    replies = [
        Reply(0.0, tuple(answer.times), usage=Usage(answer.prompt_tokens, len(answer.token_ids)))
        for answer in run.answers
    ]
    attempts = [Attempt(number, None, 0.0, 0.0, reply) for number, reply in enumerate(replies)]
    return totals(attempts, run.done.seconds, {})


def _identity(run: Measured) -> dict[str, object]:
    return {
        "num_prompts": len(run.answers),
        "engine": run.combination.engine,
        "engine_version": run.started.version,
        "device": run.started.device,
        "method": "speculative" if run.combination.speculative else "ar",
        "speculative_method": run.combination.speculative or None,
        "start_seconds": run.started.seconds,
        "max_concurrency": 1,
    }


def _amounts(run: Totals) -> dict[str, object]:
    named: dict[str, object] = {
        "duration": run.duration,
        "completed": run.completed,
        "total_input_tokens": run.input_tokens,
        "total_output_tokens": run.output_tokens,
        "request_throughput": run.request_throughput,
        "output_throughput": run.output_throughput,
    }
    for measure in MEASURES:
        if times := run.times[measure.key]:
            named |= {
                f"mean_{measure.key}_ms": times.mean,
                f"median_{measure.key}_ms": times.p50,
                f"p90_{measure.key}_ms": times.p90,
                f"p99_{measure.key}_ms": times.p99,
            }
    return named


def _ratio(value: object, first: object) -> float | None:
    if isinstance(value, float) and isinstance(first, float) and first:
        return value / first
    return None
