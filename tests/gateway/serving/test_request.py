"""`gateway.serving.request`: every choice gets its deltas, and the accounts cover all."""

import pytest

from engine.types import Prompt
from gateway.serving.request import RequestState, Usage
from parsers.families import FAMILIES
from tests.gateway.serving.choices import choice, delta


def state(*prompts, n=1, stops=(), tail=""):
    """A request's state whose tokens are characters."""
    return RequestState(
        [Prompt(list(map(ord, each)), each) for each in prompts],
        [choice(FAMILIES["think"].parser(tail), stops) for _ in range(n * len(prompts))],
    )


def test_a_new_request_has_cost_its_prompts():
    """Before the first delta the prompts are accounted for, and nothing is done."""
    new = state("abc", "de", n=2)

    assert new.usage() == Usage(5, 0, 0, 0)
    assert not new.done


def test_choices_do_not_mix():
    """Deltas of several choices, interleaved and cut anywhere, go to their own choices."""
    both = state("?", n=2)
    texts = ["", ""]
    for index, text, finish in [
        (1, "<thi", None),
        (0, "a<", None),
        (1, "nk>x", None),
        (0, "b", "length"),
        (1, "</think>y", "stop"),
    ]:
        texts[index] += both.feed(delta(text, finish, index=index)).answer

    assert texts == ["a<b", "y"]
    assert [each.finish_reason for each in both.choices] == ["length", "stop"]
    assert both.usage() == Usage(1, 0, 3 + 17, 16)


def test_done_with_the_last_choice():
    """It is done when every choice is over, whether the engine or a stop string ended it."""
    both = state("?", n=2, stops=["."])

    both.feed(delta("a.b"))
    assert not both.done
    both.feed(delta("d", "stop", index=1))
    assert both.done
    assert both.usage().completion_tokens == 2 + 1


@pytest.mark.parametrize("n", [1, 3])
def test_cached_tokens_count_once_a_prompt(n):
    """A prompt's cached tokens are counted once, however many choices and deltas repeat them."""
    two = state("abcd", "efgh", n=n)
    for index in range(2 * n):
        two.feed(delta("x", index=index, cached=3 if index < n else 2))
        two.feed(delta("y", "stop", index=index, cached=3 if index < n else 2))

    assert two.usage() == Usage(8, 5, 4 * n, 0)


def test_reasoning_and_answer_make_the_completion():
    """Tags and thinking are reasoning tokens, in every choice; the rest is answer."""
    two = state("?", n=2, tail="<think>")
    two.feed(delta("hm</think>yes", "stop"))
    two.feed(delta("hm", "length", index=1))

    assert two.usage() == Usage(1, 0, 13 + 2, 10 + 2)
