"""Results made by hand, for the tests of what is shown of them."""

from dataclasses import replace
from datetime import datetime

from client.bench.cost import Cost
from client.bench.load import Lengths, Level, Shape
from client.bench.measures import Attempt, totals
from client.bench.prometheus import Counters
from client.bench.result import Result
from client.openai.reply import Reply
from client.openai.types import Usage

REPLY = Reply(100.0, (100.5, 100.75, 101.25, 102.0), 101.25, usage=Usage(10, 7, 4, 8))
"""TTFT 500, of the answer 1250, TPOT 250, E2E 2000 ms; ITL 250, 500 and 750 ms."""


def attempts_of(*replies: Reply | None) -> list[Attempt]:
    """One attempt a reply, sent 1 ms late; None failed."""
    why = ("HTTP 503: full", "refused")
    return [
        Attempt(number, 7, 0.1 * number, 0.1 * number + 0.001, reply, *(("", "") if reply else why))
        for number, reply in enumerate(replies)
    ]


def result(*replies: Reply | None, label: str = "server", concurrency: int = 8) -> Result:
    """A run of 4 seconds, with nothing to warn of if its replies are as asked."""
    attempts = attempts_of(*replies)
    added = totals(attempts, 4.0, {"ttft": 500.0})
    return Result(
        label=label,
        model="demo",
        date=datetime(2026, 11, 21, 8, 30),
        level=Level(concurrency, None, len(attempts), 2),
        shape=Shape(Lengths(10, 10), Lengths(7, 7), fields={"ignore_eos": True}),
        seed=3,
        attempts=attempts,
        totals=added,
        counters=Counters(4, 12, 6, {0: 4, 1: 2, 2: 0}, 40, 1, added.output_tokens),
        cost=Cost(4.0, 0.4, 2.8, [0.001, 0.003]),
    )


def opened(one: Result, late: float) -> Result:
    """The same as an open loop whose requests were sent so many seconds late."""
    attempts = [replace(each, sent=each.planned + late) for each in one.attempts]
    return replace(one, level=replace(one.level, concurrency=None, rate=2.0), attempts=attempts)
