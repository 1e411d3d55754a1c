"""What an evaluation comes to, in numbers."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from client.distribution import Distribution
from client.evaluate.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of the samples, repeats included.

    Attributes:
        samples: are wanted.
        answered: have a whole reply, from this run or an earlier one.
        earlier: of those, have it from an earlier run.
        failed: were sent by this run and brought no whole reply.
        unsent: were not sent, since nobody answered any more.
        errors: kind -> failures.
        finish_reasons: reason -> replies.
        empty: have a reply without an answer, such as one that was cut while thinking.
        scored: have a reply and a reference.
    """

    samples: int
    answered: int
    earlier: int
    failed: int
    unsent: int
    errors: Mapping[str, int]
    finish_reasons: Mapping[str, int]
    empty: int
    scored: int

    @classmethod
    def of(cls, samples: int, earlier: Sequence[Outcome], fresh: Sequence[Outcome]) -> "Counts":
        """Count the replies of earlier runs, and the fresh outcomes of this one."""
        replies = [*earlier, *_answered(fresh)]
        return cls(
            samples=samples,
            answered=len(replies),
            earlier=len(earlier),
            failed=len(earlier) + len(fresh) - len(replies),
            unsent=samples - len(earlier) - len(fresh),
            errors=Counter(each.failure.kind for each in fresh if each.failure),
            finish_reasons=Counter(each.finish_reason or "not said" for each in replies),
            empty=sum(not each.answer for each in replies),
            scored=sum(each.scores is not None for each in replies),
        )


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over replies, those of earlier runs included; failures are in none of them.

    Attributes:
        exact_match: from 0 to 1, of the scored ones; None if there are none; the next three, too.
        rouge1: F1.
        rouge2: F1.
        rougeL: F1.
        answer_characters: length of the answer.
        answer_tokens: completion tokens without thinking, as the server counts them.
        reasoning_tokens: tokens of thinking, as the server counts them.
    """

    exact_match: float | None
    rouge1: float | None
    rouge2: float | None
    rougeL: float | None
    answer_characters: float | None
    answer_tokens: float | None
    reasoning_tokens: float | None

    @classmethod
    def of(cls, replies: Sequence[Outcome]) -> "Quality":
        scores = [each.scores for each in replies if each.scores]
        usages = [each.usage for each in replies if each.usage.completion_tokens]
        return cls(
            exact_match=_mean(each.exact_match for each in scores),
            rouge1=_mean(each.rouge1 for each in scores),
            rouge2=_mean(each.rouge2 for each in scores),
            rougeL=_mean(each.rougeL for each in scores),
            answer_characters=_mean(len(each.answer) for each in replies),
            answer_tokens=_mean(each.completion_tokens - each.reasoning_tokens for each in usages),
            reasoning_tokens=_mean(each.reasoning_tokens for each in usages),
        )


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast this run was; earlier ones don't count.

    Attributes:
        concurrency: how many requests ran at once, at most.
        duration_s: from the first request's start to the last one's end; 0 if none was sent.
        prompt_tokens: of all replies.
        completion_tokens: of all replies, thinking included.
        tokens_per_second: completion tokens by duration; None if the server counts no tokens.
        request_tokens_per_second_mean: of each request, by its own time to the last piece.
        request_tokens_per_second_p50: their median.
        ttft_ms: time to the first piece with text.
        ttft_answer_ms: time to the first piece of the answer.
        e2e_ms: time to the last piece with text.
    """

    concurrency: int
    duration_s: float
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float | None
    request_tokens_per_second_mean: float | None
    request_tokens_per_second_p50: float | None
    ttft_ms: Distribution | None
    ttft_answer_ms: Distribution | None
    e2e_ms: Distribution | None

    @classmethod
    def of(cls, concurrency: int, duration: float, replies: Sequence[Outcome]) -> "Speed":
        """Measure one run's replies, which took so many seconds."""
        tokens = sum(each.usage.completion_tokens for each in replies)
        speeds = [speed for each in replies if (speed := each.tokens_per_second)]
        return cls(
            concurrency=concurrency,
            duration_s=duration,
            prompt_tokens=sum(each.usage.prompt_tokens for each in replies),
            completion_tokens=tokens,
            tokens_per_second=tokens / duration if tokens else None,
            request_tokens_per_second_mean=_mean(speeds),
            request_tokens_per_second_p50=statistics.median(speeds) if speeds else None,
            ttft_ms=_times(each.ttft_ms for each in replies),
            ttft_answer_ms=_times(each.ttft_answer_ms for each in replies),
            e2e_ms=_times(each.e2e_ms for each in replies),
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is said at the end.

    Attributes:
        data: the task or file.
        model: who was asked.
        counts: how many.
        quality: how well.
        speed: how fast.
    """

    data: str
    model: str
    counts: Counts
    quality: Quality
    speed: Speed

    def flat(self) -> dict[str, object]:
        """Return every number under its name, for JSON."""
        parts = (self.counts, self.quality, self.speed)
        numbers = {each.name: getattr(part, each.name) for part in parts for each in fields(part)}
        return {"data": self.data, "model": self.model, **numbers}


def summarise(
    data: str,
    model: str,
    samples: int,
    earlier: Sequence[Outcome],
    fresh: Sequence[Outcome],
    concurrency: int,
    duration: float,
) -> Summary:
    """Add up an evaluation.

    Args:
        data: the task or file.
        model: who was asked.
        samples: how many answers were wanted, repeats included.
        earlier: scored replies of earlier runs.
        fresh: scored outcomes of this run.
        concurrency: how many requests ran at once, at most.
        duration: of this run's requests, in seconds.
    """
    replies = _answered(fresh)
    return Summary(
        data,
        model,
        Counts.of(samples, earlier, fresh),
        Quality.of([*earlier, *replies]),
        Speed.of(concurrency, duration, replies),
    )


def _answered(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.failure is None]


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return statistics.fmean(values) if values else None


def _times(milliseconds: Iterable[float | None]) -> Distribution | None:
    return Distribution.of([each / 1000 for each in milliseconds if each is not None])
