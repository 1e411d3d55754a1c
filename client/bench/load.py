"""What is sent, and when: drawn in advance from a seed, so that each server gets the same.

How it works: each level has a random source of its own, made of the seed and the level's number, so
that it draws the same however much the levels before it drew; shared prefixes come from sources of
their own, the same on all levels. Requests are numbered through all levels (`used`), so that data
goes on where the level before has stopped: the same prompts again would come from the server's
prefix cache.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from client.bench.words import ONE_EACH, Words
from client.openai.types import Message, Request


@dataclass(frozen=True, slots=True)
class Lengths:
    """Whole numbers from `low` to `high`, each as likely as the other."""

    low: int
    high: int

    def draw(self, source: random.Random) -> int:
        return source.randint(self.low, self.high)

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


@dataclass(frozen=True, slots=True)
class Level:
    """How hard a server is pressed: one of the two is given.

    Attributes:
        concurrency: requests at once; the next is sent when one ends (closed loop).
        rate: requests a second on average, whatever the server does (open loop).
        requests: how many are counted.
        warmup: how many are sent before, all at once in an open loop, and not counted.
    """

    concurrency: int | None
    rate: float | None
    requests: int
    warmup: int

    def __str__(self) -> str:
        return f"rate {self.rate:g}/s" if self.rate else f"concurrency {self.concurrency}"


@dataclass(frozen=True, slots=True)
class Shape:
    """What requests look like.

    Attributes:
        input_tokens: of a prompt, beside the shared prefix.
        output_tokens: `max_tokens`; None leaves it to the server.
        prefix_tokens: how many tokens begin every prompt, the same ones on all levels.
        prefixes: how many different such prefixes there are, taken in turn.
        kind: `text`: prompts of random words; `chat`: messages of them, the prefix in the system's;
            `ids`: prompts of random token ids.
        words: what text is made of.
        token_ids: where token ids are drawn from; the model's vocabulary must have them.
        thinking: as in `Request`.
        fields: as in `Request`.
        data: messages to be sent instead, in order, again from the first if there are too few.
    """

    input_tokens: Lengths
    output_tokens: Lengths | None
    prefix_tokens: int = 0
    prefixes: int = 1
    kind: str = "text"
    words: Words = ONE_EACH
    token_ids: Lengths = Lengths(256, 1023)
    thinking: bool | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    data: Sequence[tuple[Message, ...]] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """What one level sends.

    Attributes:
        level: how hard.
        warmup: sent first, not counted.
        requests: sent then.
        arrivals: when each is due, in seconds from the start; None in a closed loop.
    """

    level: Level
    warmup: Sequence[Request]
    requests: Sequence[Request]
    arrivals: Sequence[float] | None


def build_loads(levels: Sequence[Level], shape: Shape, seed: int) -> list[Load]:
    """Draw what each level sends; the same seed draws the same."""
    loads, used = [], 0
    for number, level in enumerate(levels):
        count = level.warmup + level.requests
        source = random.Random(f"{seed}, level {number}")
        requests = [_request(shape, seed, source, used + n) for n in range(count)]
        arrivals = draw_arrivals(level.rate, level.requests, source) if level.rate else None
        loads.append(Load(level, requests[: level.warmup], requests[level.warmup :], arrivals))
        used += count
    return loads


def draw_arrivals(rate: float, count: int, source: random.Random) -> list[float]:
    """Return a Poisson process's arrivals, in seconds, stretched so that the last is at count/rate.

    The stretching is `vllm bench serve`'s: else the average rate of a short run is off by chance.
    """
    at, arrivals = 0.0, []
    for _ in range(count):
        at += source.expovariate(1.0)
        arrivals.append(at)
    return [arrival * count / rate / at for arrival in arrivals]


def _request(shape: Shape, seed: int, source: random.Random, number: int) -> Request:
    limit = shape.output_tokens.draw(source) if shape.output_tokens else None
    if shape.data:
        messages = shape.data[number % len(shape.data)]
        return Request(messages, "", limit, shape.thinking, True, shape.fields)
    shared = random.Random(f"{seed}, prefix {number % shape.prefixes}")
    count = shape.input_tokens.draw(source)
    if shape.kind == "ids":
        ids = [shape.token_ids.draw(shared) for _ in range(shape.prefix_tokens)]
        ids += [shape.token_ids.draw(source) for _ in range(count)]
        return Request((), ids, limit, None, True, shape.fields)
    prefix = shape.words.draw(shape.prefix_tokens, shared)
    words = shape.words.draw(count - shape.words.offset, source)
    if shape.kind == "text":
        return Request((), f"{prefix} {words}".lstrip(), limit, None, True, shape.fields)
    system = (Message("system", prefix),) if prefix else ()
    messages = (*system, Message("user", words))
    return Request(messages, "", limit, shape.thinking, True, shape.fields)
