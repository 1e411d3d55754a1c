"""Evaluate a model: how well it answers, and how fast.

thinkgate eval --data arithmetic --concurrency 384 --out results/
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from client.arguments import count
from client.evaluate.jobs import Job, ask_all
from client.evaluate.outcomes import Outcome
from client.evaluate.samples import Data, load, tasks
from client.evaluate.scores import Scorer
from client.evaluate.settings import Settings, surroundings
from client.evaluate.store import Store
from client.evaluate.summary import summarise
from client.evaluate.table import show
from client.openai.errors import Broken, Refused
from client.openai.server import Server
from client.text import one_line

PURPOSE = (
    "Ask a model the samples of a JSONL file (each line a prompt or messages, and perhaps a "
    "reference) and score its answers, without their thinking: ROUGE-1, -2 and -L F1, exact match, "
    "tokens/s and TTFT. The last line of stdout is one JSON object. Exit code 1 if a sample has no "
    "answer."
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What became of asking: who, what earlier runs kept, what is new, how many seconds it took."""

    model: str
    earlier: Sequence[Outcome]
    fresh: Sequence[Outcome]
    duration: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("samples")
    known = ", ".join(tasks())
    group.add_argument("--data", required=True, metavar="FILE|TASK", help=f"tasks: {known}")
    group.add_argument("--prompt-key", default="prompt", metavar="NAME", help="default: prompt")
    group.add_argument(
        "--reference-key", default="reference", metavar="NAME", help="default: reference"
    )
    group.add_argument("--limit", type=count(1), metavar="N", help="only the first N samples")
    group.add_argument("--repeat", type=count(1), default=1, metavar="N", help="ask each N times")
    group = parser.add_argument_group("requests")
    group.add_argument(
        "--concurrency", type=count(1), default=8, metavar="N", help="at once, at most; default: 8"
    )
    group.add_argument("--no-think", action="store_true", help="ask the model not to think")
    group.add_argument("--max-tokens", type=count(1), metavar="N", help="default: the server's")
    group.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="default: 0, to be repeatable"
    )
    group.add_argument("--top-p", type=float, metavar="P", help="default: the server's")
    group.add_argument("--seed", type=int, metavar="N", help="one more at each repeat")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="keep every sample there; go on after a stop"
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; return 0 if every sample has an answer, else 1.

    Raises:
        ClientError: the data, the folder or the server won't do.
    """
    data = load(arguments.data, arguments.prompt_key, arguments.reference_key)
    data = replace(data, samples=data.samples[: arguments.limit])
    with Store(arguments.out) if arguments.out else nullcontext() as store:
        try:
            return _evaluate(arguments, data, store)
        except KeyboardInterrupt:
            if store:
                print(f"\nstopped; the same command goes on with {arguments.out}", file=sys.stderr)
            raise


def _evaluate(arguments: argparse.Namespace, data: Data, store: Store | None) -> int:
    jobs = [Job(sample, number) for number in range(arguments.repeat) for sample in data.samples]
    with _progress() as progress:
        asked = asyncio.run(_ask(arguments, data, jobs, store, progress))
        earlier, fresh = _scored(asked.earlier, progress), _scored(asked.fresh, progress)
    summary = summarise(
        data.name, asked.model, len(jobs), earlier, fresh, arguments.concurrency, asked.duration
    )
    show(Console(), summary, fresh)
    print(msgspec.json.encode(summary.flat()).decode())
    if store and (fresh or not store.ended):
        place = {job.key: number for number, job in enumerate(jobs)}
        outcomes = sorted([*earlier, *fresh], key=lambda outcome: place[outcome.key])
        store.end(outcomes, summary.flat())
    return int(summary.counts.answered < summary.counts.samples)


async def _ask(
    arguments: argparse.Namespace,
    data: Data,
    jobs: Sequence[Job],
    store: Store | None,
    progress: Progress,
) -> _Asked:
    fresh: list[Outcome] = []
    async with Server(arguments.base_url, arguments.api_key, arguments.model) as server:
        settings = _settings(arguments, data, server.model)
        page = await _version(server)
        here = surroundings(data.name, server.base_url, page, arguments.concurrency)
        earlier = store.begin(settings, here) if store else []
        done = {outcome.key for outcome in earlier}
        task = progress.add_task("asking", completed=len(done), total=len(jobs), note="")

        def keep(outcome: Outcome) -> None:
            if store:
                store.add(outcome)
            fresh.append(outcome)
            progress.advance(task)
            if outcome.failure:
                progress.update(task, note=one_line(outcome.failure.message)[:60])

        left = [job for job in jobs if job.key not in done]
        duration = await ask_all(server, settings, left, arguments.concurrency, keep)
    return _Asked(server.model, earlier, fresh, duration)


def _scored(outcomes: Sequence[Outcome], progress: Progress) -> list[Outcome]:
    """Score when all are in: a long answer takes seconds, in which no piece would be read."""
    scorer = Scorer()
    task = progress.add_task("scoring", total=len(outcomes), note="")
    scored = []
    for outcome in outcomes:
        if outcome.references and not outcome.failure and not outcome.scores:
            scores = scorer.score(outcome.answer, outcome.references)
            outcome = replace(outcome, scores=scores)
        scored.append(outcome)
        progress.advance(task)
    return scored


def _settings(arguments: argparse.Namespace, data: Data, model: str) -> Settings:
    return Settings(
        data_sha256=data.sha256,
        prompt_key=arguments.prompt_key,
        reference_key=arguments.reference_key,
        limit=arguments.limit,
        repeat=arguments.repeat,
        model=model,
        no_think=arguments.no_think,
        max_tokens=arguments.max_tokens,
        temperature=arguments.temperature,
        top_p=arguments.top_p,
        seed=arguments.seed,
    )


async def _version(server: Server) -> str:
    try:
        return (await server.page("/version")).strip()[:200]
    except (Refused, Broken):
        return ""


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        refresh_per_second=4,
    )
