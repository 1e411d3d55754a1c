"""The benchmark's options: how they are written, and what they mean."""

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from client.arguments import count
from client.bench.load import Lengths, Level
from client.bench.measures import MEASURES

T = TypeVar("T")

_LABEL = re.compile(r"[\w.-]+", re.ASCII)
_SLO = {f"{measure.key}_ms": measure.key for measure in MEASURES if measure.each}
_SLO["e2e_ms"] = _SLO["e2el_ms"]


def add_options(parser: argparse.ArgumentParser) -> None:
    _add_load(parser.add_argument_group("load"))
    _add_prompts(parser.add_argument_group("prompts"))
    _add_results(parser.add_argument_group("servers and results"))


def _add_load(group: argparse._ArgumentGroup) -> None:
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--concurrency",
        type=_many(count(1)),
        metavar="N,…",
        help="closed loop, a run each: requests at once (default: 1,8,64)",
    )
    either.add_argument(
        "--rate",
        type=_many(_rate),
        metavar="R,…",
        help="open loop, a run each: requests a second, Poisson arrivals",
    )
    group.add_argument(
        "--requests",
        type=count(1),
        metavar="N",
        help="counted in each run (default: 4 x concurrency, or 30 s of the rate; at least 16; "
        "with --data: as many as it has)",
    )
    group.add_argument(
        "--warmup",
        type=count(0),
        metavar="N",
        help="sent before each run, not counted (default: the concurrency, or 8)",
    )
    group.add_argument("--seed", type=int, default=0, help="of prompts and arrivals (default: 0)")


def _add_prompts(group: argparse._ArgumentGroup) -> None:
    for name, default in (("input", "512"), ("output", "128; with --data the server's")):
        group.add_argument(
            f"--{name}-tokens", type=lengths_of, metavar="N|LOW-HIGH", help=f"default: {default}"
        )
    group.add_argument(
        "--prefix-tokens",
        type=count(0),
        default=0,
        metavar="N",
        help="the same in all prompts, in front of the input tokens (default: 0)",
    )
    group.add_argument(
        "--prefixes", type=count(1), default=1, metavar="K", help="different ones (default: 1)"
    )
    kind = group.add_mutually_exclusive_group()
    kind.add_argument(
        "--token-ids",
        type=token_ids_of,
        metavar="LOW-HIGH",
        help="prompts of random token ids from LOW to HIGH, instead of text of random numbers",
    )
    kind.add_argument("--chat", action="store_true", help="the text as messages, to the chat route")
    kind.add_argument(
        "--data", metavar="FILE.jsonl|TASK", help="chats of `prompt` or `messages`, as for eval"
    )
    group.add_argument(
        "--no-think", action="store_true", help="with --chat or --data: ask not to think"
    )
    group.add_argument(
        "--ignore-eos",
        action=argparse.BooleanOptionalAction,
        help="generate all the output tokens (default: yes, but not with --chat and --data)",
    )
    group.add_argument("--temperature", type=float, default=0.0, help="default: 0")


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--name", type=_label, default="server", help="of the server at --base-url, in tables"
    )
    group.add_argument(
        "--compare",
        type=_named_url,
        action="append",
        default=[],
        metavar="NAME=URL",
        help="another server, given the same requests in turn; its ratios are printed",
    )
    group.add_argument(
        "--server-pid",
        type=_named_pid,
        action="append",
        default=[],
        metavar="[NAME=]PID",
        help="a server's process: its processor time is measured, with all its children's",
    )
    group.add_argument(
        "--slo",
        type=slo_of,
        default={},
        metavar="NAME=MS,…",
        help=f"count requests a second that meet all of these as goodput: {', '.join(_SLO)}",
    )
    group.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="a new folder for the results: JSON, requests.jsonl, plot.png, report.html",
    )


def levels_of(arguments: argparse.Namespace, available: int | None) -> list[Level]:
    """Return the levels asked for; `available` is how many prompts the data has."""

    def level(concurrency: int | None, rate: float | None) -> Level:
        usual = available or max(16, math.ceil(30 * rate) if rate else 4 * (concurrency or 0))
        warmup = arguments.warmup if arguments.warmup is not None else concurrency or 8
        return Level(concurrency, rate, arguments.requests or usual, warmup)

    if arguments.rate:
        return [level(None, rate) for rate in arguments.rate]
    return [level(concurrency, None) for concurrency in arguments.concurrency or (1, 8, 64)]


def lengths_of(text: str) -> Lengths:
    """Read `512` or `256-1024`.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    return _range(text, 1)


def token_ids_of(text: str) -> Lengths:
    """Read `256-1023`; the least id is 0.

    Raises:
        argparse.ArgumentTypeError: it is no such range.
    """
    return _range(text, 0)


def _range(text: str, least: int) -> Lengths:
    low, _, high = text.partition("-")
    numbers = low.isdecimal() and (high or low).isdecimal()
    if not numbers or not least <= int(low) <= int(high or low):
        raise argparse.ArgumentTypeError(f"{text!r} is neither like 512 nor like 256-1024")
    return Lengths(int(low), int(high or low))


def slo_of(text: str) -> dict[str, float]:
    """Read `ttft_ms=200,tpot_ms=50`: measure -> milliseconds.

    Raises:
        argparse.ArgumentTypeError: a name is unknown, or a value no number.
    """
    slo = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in _SLO:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(_SLO)}")
        slo[_SLO[name]] = _rate(value)
    return slo


def _many(read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    def read_all(text: str) -> tuple[T, ...]:
        values = tuple(read(part.strip()) for part in text.split(","))
        if len(set(values)) < len(values):
            raise argparse.ArgumentTypeError(f"{text!r} has the same twice")
        return values

    return read_all


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: letters, digits and ._- only")
    return text


def _named_url(text: str) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    if not equals or not url.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is not like NAME=http://host:port/v1")
    return _label(name), url


def _named_pid(text: str) -> tuple[str, int]:
    name, equals, pid = text.rpartition("=")
    return _label(name) if equals else "", count(1)(pid)
