"""What a benchmark sends, and when."""

import itertools
import random

import pytest

from client.bench.load import Lengths, Level, Shape, build_loads, draw_arrivals
from client.bench.words import Words
from client.openai.types import Message, Request

LEVELS = [Level(1, None, 6, 2), Level(4, None, 6, 2), Level(None, 5.0, 6, 2)]
SHAPE = Shape(Lengths(8, 12), Lengths(3, 5), kind="ids", fields={"ignore_eos": True})


def prompts(requests: list[Request]) -> set[tuple[int, ...]]:
    """What is asked, as something to compare."""
    return {tuple(request.prompt) for request in requests}  # type: ignore[arg-type]


def everything(shape: Shape, seed: int = 0) -> list[Request]:
    """All requests of all levels."""
    return [r for load in build_loads(LEVELS, shape, seed) for r in (*load.warmup, *load.requests)]


def test_a_seed_always_draws_the_same() -> None:
    """The same seed gives the same requests at the same times, another one others."""
    assert build_loads(LEVELS, SHAPE, 7) == build_loads(LEVELS, SHAPE, 7)
    assert prompts(everything(SHAPE, 7)).isdisjoint(prompts(everything(SHAPE, 8)))


def test_no_prompt_is_sent_twice() -> None:
    """Neither warm-up nor levels share a prompt: the prefix cache would know it."""
    requests = everything(SHAPE)
    assert len(requests) == 24
    assert len(prompts(requests)) == 24


def test_lengths_are_as_asked() -> None:
    """Prompts and limits have every length of their ranges, and ids are from theirs."""
    requests = [r for seed in range(20) for r in everything(SHAPE, seed)]
    assert {len(request.prompt) for request in requests} == {8, 9, 10, 11, 12}
    assert {request.max_tokens for request in requests} == {3, 4, 5}
    ids = set(itertools.chain.from_iterable(prompts(requests)))
    assert (min(ids), max(ids)) == (256, 1023)
    assert all(request.fields == {"ignore_eos": True} for request in requests)


def test_prefixes_are_shared_by_all_levels() -> None:
    """Two prefixes of 5 tokens come in turn before the input tokens, on every level."""
    shape = Shape(Lengths(8, 8), Lengths(1, 1), prefix_tokens=5, prefixes=2, kind="ids")
    requests = everything(shape)
    assert {len(request.prompt) for request in requests} == {13}
    first, second = (tuple(request.prompt[:5]) for request in requests[:2])
    assert first != second
    assert [tuple(request.prompt[:5]) for request in requests] == [first, second] * 12
    assert len({tuple(request.prompt[5:]) for request in requests}) == 24


def test_text_costs_what_was_asked_for() -> None:
    """Text costs as many tokens as asked for, prefix apart; a chat has it as the system's."""
    words = Words({"1": 1, "22": 2, "333": 3}, offset=1)
    text = everything(Shape(Lengths(30, 30), None, prefix_tokens=4, words=words))
    costs = [sum(words.costs[word] for word in str(request.prompt).split()) for request in text]
    assert set(costs) == {4 + 30 - 1}
    assert len({str(request.prompt) for request in text}) == 24
    chats = everything(Shape(Lengths(9, 9), None, prefix_tokens=4, kind="chat", thinking=False))
    assert len({request.messages[0] for request in chats}) == 1
    assert {len(request.messages[1].content.split()) for request in chats} == {9}
    assert [message.role for message in chats[0].messages] == ["system", "user"]
    assert all(request.thinking is False and request.max_tokens is None for request in chats)


def test_data_is_sent_in_order() -> None:
    """Each level takes the data's next chats, and begins again when there are no more."""
    data = [(Message("user", str(number)),) for number in range(10)]
    requests = everything(Shape(Lengths(1, 1), Lengths(9, 9), kind="chat", data=data))
    assert [request.messages[0].content for request in requests] == [str(n % 10) for n in range(24)]
    assert {request.max_tokens for request in requests} == {9}


def test_arrivals_are_a_poisson_process_of_that_rate() -> None:
    """The last is due at count / rate, and gaps vary as those of a Poisson process do."""
    arrivals = draw_arrivals(50.0, 4000, random.Random(0))
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] == pytest.approx(80.0)
    gaps = [after - before for before, after in itertools.pairwise(arrivals)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(0.02, rel=0.01)
    assert variance**0.5 == pytest.approx(mean, rel=0.05)  # an exponential's deviation is its mean


def test_only_open_loops_have_arrivals() -> None:
    """A closed loop sends when a reply ends; an open one when a request is due."""
    closed, _, opened = build_loads(LEVELS, SHAPE, 0)
    assert closed.arrivals is None
    assert opened.arrivals is not None
    assert len(opened.arrivals) == len(opened.requests) == 6
    assert (str(closed.level), str(opened.level)) == ("concurrency 1", "rate 5/s")
