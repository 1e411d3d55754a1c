"""`gateway.serving.choice`: visibility decides about text, and about nothing else."""

from dataclasses import dataclass
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from parsers.formats import FORMATS
from parsers.thinking import ThinkingParser

from engine.types import Delta
from gateway.serving.choice import Piece, Reply, ReplySettings
from parsers.events import Answer

VISIBILITIES = ("parsed", "hidden", "raw")
CUTS = (1, 2, 3, 1000)
REPLY = "<think>\nLet me stop and see.\n</think>\n\nIt is 42, stop here."


@dataclass
class Outcome:
    """What is left of a reply when it is over."""

    thinking: str
    answer: str
    counts: tuple[object, ...]


def write(tokens, visibility, cuts=(1,), *, stops=(), family="think", inside=False, finish="stop"):
    """Let a model write `tokens`, texts each, in deltas of so many tokens."""
    settings = ReplySettings(
        FORMATS[family],
        inside,
        stops,
        visibility,
        lambda before, ids: list(accumulate(len(tokens[i]) for i in ids)),
    )
    reply, whole, start, cuts = Reply(settings), Piece(), 0, list(cuts)
    while True:
        end = min(len(tokens), start + (cuts.pop(0) if len(cuts) > 1 else cuts[0]))
        over = finish if end == len(tokens) else None
        piece = reply.feed(Delta(0, "".join(tokens[start:end]), range(start, end), over))
        whole.thinking += piece.thinking
        whole.answer += piece.answer
        start = end
        if reply.finish_reason:
            break
    counts = (
        reply.finish_reason,
        reply.stop_reason,
        reply.completion_tokens,
        reply.reasoning_tokens,
    )
    return Outcome(whole.thinking, whole.answer, counts)


def covering(texts, length):
    """How many leading texts it takes to make `length` characters."""
    count = done = 0
    while done < length:
        done += len(texts[count])
        count += 1
    return count


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("visibility", "thinking", "answer"),
    [
        ("parsed", "\nLet me stop and see.\n", "It is 42, stop here."),
        ("hidden", "", "It is 42, stop here."),
        ("raw", "", REPLY),
    ],
)
def test_visibility_decides_about_text_alone(cut, visibility, thinking, answer):
    """Each visibility shows what it promises; how the reply ended and what it cost is the same."""
    outcome = write(REPLY, visibility, (cut,))

    assert (outcome.thinking, outcome.answer) == (thinking, answer)
    assert outcome.counts == ("stop", None, len(REPLY), REPLY.index("</think>") + len("</think>"))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize(
    ("generated", "stops", "answer"),
    [
        ("<think>a stop</think>b", ["stop"], "b"),
        ("<think>a stop</think>b |stop c", ["stop"], "b "),
        ("<think>a</think>b |stop c", ["stop"], "b "),
        ("<think>a</think>|b stop c", ["stop", "b"], ""),
        ("<think>a</think>b s|top c", ["top", "stop"], "b s"),
        ("<think>a</think>b |stop c", ["top", "stop", "sto"], "b "),
        ("<think>a</think>b sto", ["stop"], "b sto"),
        ("<think>a</think>stop", ["</think>stop", "think>"], "stop"),
        ("<think>a</think>b", ["<think>", "a"], "b"),
        ("|x<think>a</think>yz", ["xy"], ""),
        ("w|x</think>yz", ["xy"], "w"),
        ("<think>a</think>\n\nb", ["\n\n"], "b"),
        ("<think>a</think>b|\n\nc", ["\n\n"], "b"),
        ("a|aab", ["aab"], "a"),
        ("<think>a", ["a"], ""),
    ],
)
def test_stop_strings_end_the_answer_alone(cut, visibility, generated, stops, answer):
    """Thinking and tags stop nothing; raw ends where the stop string begins, marked here by |."""
    before, _, behind = generated.partition("|")

    outcome = write(before + behind, visibility, (cut,), stops=stops)

    assert outcome.answer == (before if visibility == "raw" else answer)
    assert (outcome.counts[1] in stops) == bool(behind)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("text", ["<think>hm", "<think>hm</thi", "<think>", "<think>hm</think>"])
def test_truncation_inside_thinking_leaks_nothing(cut, visibility, text):
    """A reply that ends in its thinking is all thinking, half a tag included."""
    outcome = write(text, visibility, (cut,), finish="length")

    assert outcome.answer == (text if visibility == "raw" else "")
    assert outcome.thinking in ("", text.removeprefix("<think>").removesuffix("</think>"))
    assert outcome.counts == ("length", None, len(text), len(text))


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_what_follows_the_end_counts_for_nothing(visibility):
    """Deltas that the engine had already made when a stop string was found change nothing."""
    reply = Reply(ReplySettings(FORMATS["think"], False, ["."], visibility, lambda _, n: n))

    assert reply.feed(Delta(0, "a.b", [1, 2, 3])).answer == "a"
    assert reply.feed(Delta(0, "c", [4], "length")) == Piece()
    assert (reply.finish_reason, reply.stop_reason, reply.completion_tokens) == ("stop", ".", 2)


def test_a_reply_knows_which_side_it_is_on():
    """It thinks from the opening tag to the closing one, and answers from the first text."""
    reply = Reply(ReplySettings(FORMATS["think"], True, (), "hidden", lambda _, n: n))
    seen = []
    for number, text in enumerate(["hm", "</think>", "\n", "42"]):
        reply.feed(Delta(0, text, [number]))
        seen.append((reply.thinking, reply.answering, reply.reasoning_tokens))

    assert seen == [(True, False, 1), (False, False, 2), (False, False, 2), (False, True, 2)]


words = st.sampled_from(
    [
        *("<think>", "</think>", "<thi", "nk>", "</", "think>", "<|thinking|>", "<|/thinking|>"),
        *("`", "\n", "\n\n", " ", "", "a", "b", "ab", "x</think>y", "é", "😀"),
    ]
)
replies = st.lists(words | st.text(max_size=3), min_size=1, max_size=12)
stop_lists = st.lists(st.sampled_from(["a", "b", "ab", "ba", "aab", "\n", "think", "<", " "]))


@given(
    tokens=replies,
    cuts=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    stops=stop_lists,
    family=st.sampled_from(sorted(FORMATS)),
    inside=st.booleans(),
    finish=st.sampled_from(["stop", "length"]),
)
@example(["a", "<think>", "</think>", "b"], [1], ["ab"], "think", False, "stop")
def test_any_reply_is_the_same_in_all_visibilities(tokens, cuts, stops, family, inside, finish):
    """For any text, chunking and stops: one account, one answer, and raw is what was generated."""
    inside = inside and family != "none"
    reply = {
        (visibility, size): write(
            tokens, visibility, size, stops=stops, family=family, inside=inside, finish=finish
        )
        for visibility in VISIBILITIES
        for size in (tuple(cuts), (1,), (1000,))
    }
    counts = {outcome.counts for outcome in reply.values()}
    text, parsed = "".join(tokens), reply["parsed", (1,)]

    assert len(counts) == 1
    _, stop, used, reasoning = counts.pop()
    answer, places = answer_of(text, family, inside)
    found = [
        (answer.index(each) + len(each), number)
        for number, each in enumerate(stops)
        if each in answer
    ]
    for (visibility, _), outcome in reply.items():
        if visibility != "raw":
            shown = parsed.thinking if visibility == "parsed" else ""
            assert (outcome.answer, outcome.thinking) == (parsed.answer, shown)
    assert 0 <= reasoning <= used <= len(tokens)
    if not found:
        assert (stop, used, parsed.answer) == (None, len(tokens), answer)
        end = len(text)
    else:
        over, number = min(found)
        start = over - len(stops[number])
        assert (stop, parsed.answer) == (stops[number], answer[:start])
        assert used == covering(tokens, places[over - 1] + 1)
        end = places[start]
    assert {o.answer for (v, _), o in reply.items() if v == "raw"} == {text[:end]}


def answer_of(text, family, inside):
    """The whole answer in a text, and where each of its characters stands."""
    parser = ThinkingParser(FORMATS[family], inside=inside)
    events = [each for each in parser.feed(text) + parser.finish() if isinstance(each, Answer)]
    places = [each.at + i for each in events for i in range(len(each.text))]
    return "".join(each.text for each in events), places
