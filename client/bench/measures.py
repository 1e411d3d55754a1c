"""What the replies of a run amount to: one formula a measure, the same as `vllm bench serve`'s.

A failed request counts as failed, and its times count nowhere.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from client.distribution import Distribution
from client.openai.reply import Reply


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of a run, whatever became of it.

    Attributes:
        number: its place in the load, from 0.
        asked: `max_tokens`; None if it had none.
        planned: when it was to be sent, in seconds from the run's start.
        sent: when it was.
        reply: None if it failed.
        error: why it failed, for people.
        kind: the same in one word.
    """

    number: int
    asked: int | None
    planned: float
    sent: float
    reply: Reply | None
    error: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is timed.

    Attributes:
        key: as in `median_<key>_ms`.
        title: for people.
        formula: for people.
        each: whether a request has one of it, or many.
        of: its values in a reply, in seconds.
    """

    key: str
    title: str
    formula: str
    each: bool
    of: Callable[[Reply], Sequence[float]]


def _one(value: float | None) -> tuple[float, ...]:
    return () if value is None else (value,)


MEASURES = (
    Measure("ttft", "TTFT", "first piece with a token - sent", True, lambda r: _one(r.ttft)),
    Measure(
        "ttft_answer",
        "TTFT of the answer",
        "first piece with text of the answer, thinking aside - sent",
        True,
        lambda r: _one(r.ttft_answer),
    ),
    Measure("itl", "ITL", "time between two pieces with a token, each", False, lambda r: r.itl),
    Measure(
        "tpot",
        "TPOT",
        "(E2E - TTFT) / (output tokens - 1), a request",
        True,
        lambda r: _one(r.tpot),
    ),
    Measure("e2el", "E2E", "last piece with a token - sent", True, lambda r: _one(r.e2e)),
)
"""All of them, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run amounts to.

    Attributes:
        duration: from the first request to the last reply's end, in seconds.
        completed: requests that got a whole reply.
        errors: kind of failure -> requests.
        good: requests within the objectives; None if there are none.
        answered: requests with an answer, not only thinking.
        input_tokens: of the requests that completed, as the server counts.
        output_tokens: likewise, thinking included.
        cached_tokens: input tokens that the server found in its prefix cache, as it says itself.
        counted: whether the server counted tokens; else each piece is taken for one.
        times: measure -> distribution; None if no reply has it.
        most_tokens: output pieces in the best second.
        most_requests: requests at work in the fullest second.
    """

    duration: float
    completed: int
    errors: Mapping[str, int]
    good: int | None
    answered: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    counted: bool
    times: Mapping[str, Distribution | None]
    most_tokens: int
    most_requests: int

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def request_throughput(self) -> float:
        return self.completed / self.duration

    @property
    def output_throughput(self) -> float:
        return self.output_tokens / self.duration

    @property
    def total_throughput(self) -> float:
        return (self.input_tokens + self.output_tokens) / self.duration

    @property
    def goodput(self) -> float | None:
        """Requests a second that met every objective; None without objectives."""
        return None if self.good is None else self.good / self.duration


def totals(attempts: Sequence[Attempt], duration: float, slo: Mapping[str, float]) -> Totals:
    """Add up a run.

    Args:
        attempts: every request of it.
        duration: in seconds, more than 0.
        slo: measure -> most milliseconds; empty for no objectives.
    """
    replies = [attempt.reply for attempt in attempts if attempt.reply]
    values = {m.key: [v for reply in replies for v in m.of(reply)] for m in MEASURES}
    most_tokens, most_requests = _fullest_second(replies)
    return Totals(
        duration=duration,
        completed=len(replies),
        errors=Counter(attempt.kind for attempt in attempts if not attempt.reply),
        good=sum(meets(reply, slo) for reply in replies) if slo else None,
        answered=sum(reply.answered is not None for reply in replies),
        input_tokens=sum(reply.usage.prompt_tokens for reply in replies),
        output_tokens=sum(map(output_tokens, replies)),
        cached_tokens=sum(reply.usage.cached_tokens for reply in replies),
        counted=all(reply.usage.completion_tokens for reply in replies),
        times={key: Distribution.of(seconds) for key, seconds in values.items()},
        most_tokens=most_tokens,
        most_requests=most_requests,
    )


def output_tokens(reply: Reply) -> int:
    """Return the reply's tokens, thinking included; its pieces if the server did not count."""
    return reply.usage.completion_tokens or len(reply.times)


def meets(reply: Reply, slo: Mapping[str, float]) -> bool:
    """Whether a reply kept to every objective; one token has a TPOT of 0, as in vLLM."""
    for measure in MEASURES:
        if measure.key in slo:
            values = measure.of(reply) or ((0.0,) if measure.key == "tpot" else (float("inf"),))
            if max(values) * 1000 > slo[measure.key]:
                return False
    return True


def _fullest_second(replies: Iterable[Reply]) -> tuple[int, int]:
    """Most pieces, and most requests, in one second counted from the first request."""
    replies = [reply for reply in replies if reply.times]
    start = min((reply.sent for reply in replies), default=0.0)
    pieces: Counter[int] = Counter()
    requests: Counter[int] = Counter()
    for reply in replies:
        pieces.update(int(at - start) for at in reply.times)
        requests.update(range(int(reply.sent - start), int(reply.times[-1] - start) + 1))
    return max(pieces.values(), default=0), max(requests.values(), default=0)
