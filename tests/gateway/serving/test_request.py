"""`gateway.serving.request`: every choice gets its deltas, and the accounts cover all."""

import pytest
from parsers.formats import FORMATS

from engine.types import Delta, Prompt
from gateway.serving.choice import ReplySettings
from gateway.serving.request import Exchange, Usage


def exchange(*prompts, n=1, stops=(), inside=False):
    """An exchange whose tokens are characters."""
    settings = ReplySettings(
        FORMATS["think"], inside, stops, "parsed", lambda _, ids: range(1, len(ids) + 1)
    )
    return Exchange(
        [Prompt(list(map(ord, each)), each) for each in prompts], [settings] * len(prompts), n
    )


def delta(index, text, finish=None, cached=0):
    """A delta of one token a character."""
    return Delta(index, text, list(map(ord, text)), finish, cached)


def test_a_new_exchange_has_cost_its_prompts():
    """Before the first delta the prompts are accounted for, and nothing is done."""
    new = exchange("abc", "de", n=2)

    assert len(new.replies) == 4
    assert new.usage() == Usage(5, 0, 0, 0)
    assert not new.done


def test_choices_do_not_mix():
    """Deltas of several choices, interleaved and cut anywhere, go to their own replies."""
    both = exchange("?", n=2)
    texts = ["", ""]
    for index, text, finish in [
        (1, "<thi", None),
        (0, "a<", None),
        (1, "nk>x", None),
        (0, "b", "length"),
        (1, "</think>y", "stop"),
    ]:
        texts[index] += both.feed(delta(index, text, finish)).answer

    assert texts == ["a<b", "y"]
    assert [reply.finish_reason for reply in both.replies] == ["length", "stop"]
    assert both.usage() == Usage(1, 0, 3 + 17, 16)


def test_done_with_the_last_choice():
    """It is done when every choice is over, whether the engine or a stop string ended it."""
    both = exchange("?", n=2, stops=["."])

    both.feed(delta(0, "a.b"))
    assert not both.done
    both.feed(delta(0, "c", "length"))
    assert not both.done
    both.feed(delta(1, "d", "stop"))
    assert both.done
    assert [end.index for end in both.ends] == [0, 1]
    assert both.usage().completion_tokens == 2 + 1


@pytest.mark.parametrize("n", [1, 3])
def test_cached_tokens_count_once_a_prompt(n):
    """A prompt's cached tokens are counted once, however many choices and deltas repeat them."""
    two = exchange("abcd", "efgh", n=n)
    for index in range(2 * n):
        two.feed(delta(index, "x", cached=3 if index < n else 2))
        two.feed(delta(index, "y", "stop", cached=3 if index < n else 2))

    assert two.usage() == Usage(8, 5, 4 * n, 0)


def test_reasoning_and_answer_make_the_completion():
    """Tags and thinking are reasoning tokens, in every choice; the rest is answer."""
    two = exchange("?", n=2, inside=True)
    two.feed(delta(0, "hm</think>yes", "stop"))
    two.feed(delta(1, "hm", "length"))

    assert two.usage() == Usage(1, 0, 13 + 2, 10 + 2)
