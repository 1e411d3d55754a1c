"""The table of an evaluation, for people."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.distribution import Distribution
from client.evaluate.outcomes import Outcome
from client.evaluate.summary import Summary
from client.text import one_line


def show(console: Console, summary: Summary, fresh: Iterable[Outcome]) -> None:
    """Print the table, and below it the first failure of each kind."""
    title = Text(one_line(f"{summary.data} · {summary.model}"), style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_header=False)
    for name, value in (*_answers(summary), *_times(summary)):
        table.add_row(name, Text(value))
    console.print(table)
    first: dict[str, Outcome] = {}
    for outcome in fresh:
        if outcome.failure:
            first.setdefault(outcome.failure.kind, outcome)
    for kind, outcome in first.items():
        message = outcome.failure.message if outcome.failure else ""
        text = f"{summary.counts.errors[kind]} {kind}, such as {outcome.id}: {message}"
        console.print(Text(one_line(text), style="red"))


def _answers(summary: Summary) -> Iterable[tuple[str, str]]:
    counts, quality = summary.counts, summary.quality
    earlier = f", {counts.earlier} of them by earlier runs" if counts.earlier else ""
    unsent = f", {counts.unsent} not sent: nobody answers" if counts.unsent else ""
    yield "answered", f"{counts.answered} of {counts.samples}{earlier}"
    yield "failed", f"{counts.failed}{unsent}"
    yield "finish reasons", ", ".join(f"{n} {why}" for why, n in counts.finish_reasons.items())
    if counts.scored:
        yield "scored", str(counts.scored)
        yield "exact match", _plain(quality.exact_match, 4)
        rouge = (quality.rouge1, quality.rouge2, quality.rougeL)
        yield "ROUGE-1, -2, -L (F1)", ", ".join(_plain(each, 4) for each in rouge)
    yield "answer", f"{_plain(quality.answer_characters)} characters, {counts.empty} empty"
    thinking, answer = _plain(quality.reasoning_tokens), _plain(quality.answer_tokens)
    yield "tokens a reply", f"{thinking} thinking, {answer} answer"


def _times(summary: Summary) -> Iterable[tuple[str, str]]:
    speed = summary.speed
    if not speed.duration_s:
        yield "this run", "nothing was left to ask"
        return
    yield "concurrency", str(speed.concurrency)
    yield "this run", f"{speed.duration_s:.2f} s, {speed.completion_tokens} completion tokens"
    yield "tokens/s", _plain(speed.tokens_per_second)
    mean, median = speed.request_tokens_per_second_mean, speed.request_tokens_per_second_p50
    yield "tokens/s a request", f"mean {_plain(mean)}, p50 {_plain(median)}"
    yield "TTFT", _milliseconds(speed.ttft_ms)
    yield "TTFT of the answer", _milliseconds(speed.ttft_answer_ms)
    yield "E2E", _milliseconds(speed.e2e_ms)


def _plain(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _milliseconds(times: Distribution | None) -> str:
    if times is None:
        return "-"
    percentiles = f"p50 {times.p50:.0f}, p90 {times.p90:.0f}, p99 {times.p99:.0f}"
    return f"mean {times.mean:.0f}, {percentiles} ms"
