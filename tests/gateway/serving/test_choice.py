"""`gateway.serving.choice`: visibility decides about text, and about nothing else."""

import pytest

from engine.types import Function
from parsers.families import FAMILIES
from tests.fakes import FakeEngine
from tests.gateway.serving.choices import VISIBILITIES, choice, delta, write

CUTS = (1, 2, 3, 1000)
THINK, GPT_OSS = FAMILIES["think"], FAMILIES["gpt_oss"]
REPLY = "<think>\nLet me stop and see.\n</think>\n\nIt is 42, stop here."
START, FINAL = "<|start|>assistant", "<|channel|>final<|message|>"
ANALYSIS = "<|channel|>analysis<|message|>I stop.<|end|>"
CALL = "<|channel|>commentary to=functions.look<|message|>{}"
HERMES = '<tool_call>{"name": "look", "arguments": {}}</tool_call>'


def hermes(text):
    """The calls in a text, as vLLM's parser reads them."""
    return FakeEngine().tool_calls("hermes", text)


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
    outcome = write(choice(visibility=visibility), REPLY, (cut,))

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

    outcome = write(choice(stops=stops, visibility=visibility), before + behind, (cut,))

    assert outcome.answer == (before if visibility == "raw" else answer)
    assert (outcome.counts[1] in stops) == bool(behind)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize(
    ("before", "behind", "stop", "calls"),
    [
        ("See. ", HERMES, ". <tool", 0),
        ("See. ", HERMES, "name", 0),
        ("See. " + HERMES, " stop", " stop", 1),
        ("See. " + HERMES[:-12], HERMES[-12:], "</tool_call>", 1),
    ],
)
def test_stop_strings_in_calls(cut, visibility, before, behind, stop, calls):
    """They stop across the border and behind it, and what was whole by then is called."""
    parser = THINK.parser("", tools=True)
    outcome = write(choice(parser, [stop], visibility, hermes), before + behind, (cut,))

    text = (before + behind)[: (before + behind).index(stop)]
    assert outcome.calls == [Function("look", "{}")] * calls
    assert outcome.answer == (text if visibility == "raw" or not calls else "See. ")
    assert outcome.counts[:2] == ("tool_calls" if calls else "stop", stop)
    assert outcome.counts[2] == len(text) + len(stop)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("text", ["<think>hm", "<think>hm</thi", "<think>", "<think>hm</think>"])
def test_truncation_inside_thinking_leaks_nothing(cut, visibility, text):
    """A reply that ends in its thinking is all thinking, half a tag included."""
    outcome = write(choice(visibility=visibility), text, (cut,), "length")

    assert outcome.answer == (text if visibility == "raw" else "")
    assert outcome.thinking in ("", text.removeprefix("<think>").removesuffix("</think>"))
    assert outcome.counts == ("length", None, len(text), len(text))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_truncated_calls_are_text(cut, visibility, finish):
    """Calls that can't be read are part of the answer, and the reply ends as it ended."""
    text = "See. " + HERMES[:-20]
    state = choice(THINK.parser("", tools=True), (), visibility, hermes)
    outcome = write(state, text, (cut,), finish)

    assert (outcome.answer, outcome.calls) == (text, [])
    assert outcome.counts == (finish, None, len(text), 0)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_calls_in_every_visibility(cut, visibility):
    """Calls are told whether thinking is shown or not; raw has their text besides."""
    text = "<think>hm</think>See. " + HERMES
    state = choice(THINK.parser("", tools=True), (), visibility, hermes)
    outcome = write(state, text, (cut,))

    assert outcome.calls == [Function("look", "{}")]
    assert outcome.answer == (text if visibility == "raw" else "See. ")
    assert outcome.counts == ("tool_calls", None, len(text), len("<think>hm</think>"))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize(
    ("thought", "said", "stop", "thinking", "answer"),
    [
        (ANALYSIS, START + FINAL + "It is 42.<|return|>", None, "I stop.", "It is 42."),
        (ANALYSIS, START + FINAL + "It", " st", "I stop.", "It"),
        (ANALYSIS.removesuffix("op.<|end|>"), "", None, "I st", ""),
        ("", FINAL + "It", None, "", "It"),
    ],
)
def test_channels(cut, visibility, thought, said, stop, thinking, answer):
    """gpt-oss's replies go the same way: thinking, answer, stops and what it all cost."""
    text = thought + said + (stop + "op" if stop else "")
    state = choice(GPT_OSS.parser(START), [" st"], visibility)
    outcome = write(state, text, (cut,), "length")

    assert outcome.thinking == (thinking if visibility == "parsed" else "")
    assert outcome.answer == (thought + said if visibility == "raw" else answer)
    used = len(thought + said + (stop or ""))
    assert outcome.counts == ("stop" if stop else "length", stop, used, len(thought))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize(("end", "finish"), [("<|call|>", "stop"), ("", "length")])
def test_calls_on_channels(cut, visibility, end, finish):
    """Calls that marks delimit are told as they end, by their mark or by the reply's end."""
    text = ANALYSIS + START + CALL + "<|call|>" + START + CALL + end
    outcome = write(choice(GPT_OSS.parser(START, tools=True), (), visibility), text, (cut,), finish)

    assert outcome.calls == [Function("look", "{}")] * 2
    assert outcome.answer == (text if visibility == "raw" else "")
    assert outcome.counts == ("tool_calls", None, len(text), len(ANALYSIS))


def test_every_call_has_an_id_of_its_own():
    """Where no parser of vLLM's gives it one."""
    state = choice(GPT_OSS.parser(START, tools=True))
    calls = state.feed(delta(CALL + "<|call|>" + START + CALL, "stop")).tool_calls

    assert len({call.id for call in calls}) == 2
    assert all(call.id.startswith("call_") for call in calls)


def test_a_choice_knows_which_side_it_is_on():
    """It thinks from the opening tag to the closing one, and answers from the first text."""
    state = choice(THINK.parser("<think>"), visibility="hidden")
    seen = []
    for text in ["hm", "</think>", "\n", "42"]:
        state.feed(delta([text]))
        seen.append((state.thinking, state.answering, state.reasoning_tokens))

    assert seen == [(True, False, 1), (False, False, 2), (False, False, 2), (False, True, 2)]


def test_whose_word_was_the_last():
    """The engine's last delta is kept; where a stop string was found it had none."""
    stopped, over = choice(stops=["."]), choice()
    stopped.feed(delta("a.b"))
    last = delta("a.b", "stop")
    over.feed(last)

    assert stopped.finish_reason == over.finish_reason == "stop"
    assert (stopped.last_delta, over.last_delta) == (None, last)
