"""`thinkgate bench`: how fast servers are, over HTTP or in this process (`--engine`).

thinkgate bench --concurrency 1,8,64 --input-tokens 512 --output-tokens 128 --out results
"""

import argparse
import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from rich.console import Console
from rich.progress import Progress

from client.bench.cost import watch
from client.bench.folder import Folder
from client.bench.load import Lengths, Load, Shape, build_loads
from client.bench.measures import MEASURES, totals
from client.bench.options import add_options, levels_of
from client.bench.prometheus import fetch_counters
from client.bench.report import ratios, show
from client.bench.result import Result, fields
from client.bench.sender import send, warm_up
from client.bench.words import measure_words
from client.evaluate.samples import load as load_data
from client.openai.errors import ClientError
from client.openai.server import Server

PURPOSE = "Measure how fast servers are. " + " ".join(
    f"{measure.title}: {measure.formula}." for measure in MEASURES
)


@dataclass(frozen=True, slots=True)
class Target:
    """A server to be measured.

    Attributes:
        label: its name in tables.
        server: entered already.
        pid: its process, if processor time is wanted.
    """

    label: str
    server: Server
    pid: int | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from client import engines  # half of the command, of which most runs need no more than this

    add_options(parser)
    engines.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print tables and one line of JSON, and return the exit code: 1 if nothing came.

    Raises:
        ClientError: a server or the data won't do, or the folder is taken.
    """
    from client import engines

    if engines.wanted(arguments):
        return engines.run(_for_engines(arguments))
    shape = _shape(arguments)
    folder = Folder(arguments.out) if arguments.out else None
    results = asyncio.run(_measure_all(arguments, shape, folder))
    show(results)
    if folder:
        folder.finish(results)
    print(last_line(results))
    return 0 if any(result.totals.completed for result in results) else 1


def _for_engines(arguments: argparse.Namespace) -> argparse.Namespace:
    limit, out = arguments.output_tokens, arguments.out
    told = {
        "requests": arguments.requests or 32,
        "output_tokens": str(limit) if limit else None,
        "out": str(out) if out else None,
    }
    return argparse.Namespace(**vars(arguments) | told)


def last_line(results: Sequence[Result]) -> str:
    """Return a benchmark as one line of JSON.

    One run is an object under the names of `vllm bench serve`. Several are
    `{"runs": [...], "ratios": [...]}`.
    """
    runs = [fields(result) for result in results]
    whole = runs[0] if len(runs) == 1 else {"runs": runs, "ratios": ratios(results)}
    return msgspec.json.encode(whole).decode()


def _shape(arguments: argparse.Namespace) -> Shape:
    data = load_data(arguments.data).samples if arguments.data else ()
    chat = arguments.chat or bool(data)
    if data and (arguments.prefix_tokens or arguments.input_tokens):
        raise ClientError("--data has its own prompts: no --input-tokens, no --prefix-tokens")
    if arguments.no_think and not chat:
        raise ClientError("--no-think needs --chat or --data: a raw prompt has no such switch")
    sampling: dict[str, object] = {"temperature": arguments.temperature}
    if arguments.ignore_eos or (arguments.ignore_eos is None and not chat):
        sampling["ignore_eos"] = True
    return Shape(
        arguments.input_tokens or Lengths(512, 512),
        arguments.output_tokens or (None if data else Lengths(128, 128)),
        arguments.prefix_tokens,
        arguments.prefixes,
        "chat" if chat else "ids" if arguments.token_ids else "text",
        token_ids=arguments.token_ids or Lengths(1, 1),
        thinking=False if arguments.no_think else None,
        fields=sampling,
        data=[sample.messages for sample in data],
    )


async def _measure_all(
    arguments: argparse.Namespace, shape: Shape, folder: Folder | None
) -> list[Result]:
    results = []
    targets, levels = _targets(arguments), levels_of(arguments, len(shape.data) or None)
    async with AsyncExitStack() as stack:
        for target in targets:
            await stack.enter_async_context(target.server)
        if shape.kind != "ids" and not shape.data:
            words = await measure_words(targets[0].server, shape.kind == "chat")
            shape = replace(shape, words=words)
        for load in build_loads(levels, shape, arguments.seed):
            for target in targets:
                result = await _measure(target, load, shape, arguments)
                results.append(result)
                if folder:
                    folder.add(result)
    return results


def _targets(arguments: argparse.Namespace) -> list[Target]:
    urls = [(arguments.name, arguments.base_url), *arguments.compare]
    labels = [label for label, _ in urls]
    pids = {label or arguments.name: pid for label, pid in arguments.server_pid}
    if len(set(labels)) < len(labels):
        raise ClientError(f"servers need different names: {', '.join(labels)}")
    if unknown := set(pids) - set(labels):
        raise ClientError(f"--server-pid: there is no server {', '.join(sorted(unknown))}")
    return [
        Target(label, Server(url, arguments.api_key, arguments.model), pids.get(label))
        for label, url in urls
    ]


async def _measure(
    target: Target, load: Load, shape: Shape, arguments: argparse.Namespace
) -> Result:
    date = datetime.now().astimezone()
    with _progress(f"{target.label}, {load.level}", len(load.requests)) as done:
        await warm_up(target.server, load)
        before = await fetch_counters(target.server)
        async with watch(target.pid) as cost:
            attempts, duration = await send(target.server, load, done)
        after = await fetch_counters(target.server)
    return Result(
        label=target.label,
        model=target.server.model,
        date=date,
        level=load.level,
        shape=shape,
        seed=arguments.seed,
        attempts=attempts,
        totals=totals(attempts, duration, arguments.slo),
        counters=after.since(before) if after and before else None,
        cost=cost,
    )


@contextmanager
def _progress(text: str, count: int) -> Iterator[Callable[[], None]]:
    """Shows how far a run is, on a terminal; yields what to call as each request ends."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=count)
        yield lambda: progress.advance(task)
