"""What the demo model is trained on: right, well formed, and apart from what it is judged by."""

import json
import re
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.demo_model.arithmetic import work
from tools.demo_model.conversation import END, Mode, Sample, kept_sample, train_sample
from tools.demo_model.evaluate import MODES, SKILLS, judge
from tools.demo_model.phrases import pick
from tools.demo_model.task import LANGUAGES, Language
from tools.demo_model.tools import distractors, everyday_kinds
from tools.demo_model.words import spelled

NUMBERS = st.integers(-9999, 9999)
DRAWN = 4000


@pytest.fixture(scope="module")
def trained() -> list[Sample]:
    """Some of what is trained on."""
    rng = Random(7)
    return [train_sample(rng) for _ in range(DRAWN)]


@pytest.fixture(scope="module")
def kept() -> list[Sample]:
    """Some of what is kept for evaluation."""
    cells = product(SKILLS, LANGUAGES, MODES, (False, True))
    drawn = [kept_sample(Random(f"{cell} {seed}"), *cell) for cell in cells for seed in range(2)]
    return [sample for sample in drawn if sample is not None]


def test_no_evaluation_prompt_is_trained_on(trained: list[Sample], kept: list[Sample]) -> None:
    """The split goes by what is asked and by its wording, so the two can't meet."""
    assert len(kept) > 200
    assert not any(sample.task.kept or sample.task.kept_wording for sample in trained)
    assert all(sample.task.kept and sample.task.kept_wording for sample in kept)
    assert not {sample.prompt for sample in trained} & {sample.prompt for sample in kept}


def test_earlier_turns_keep_to_the_split() -> None:
    """Nor does a kept question occur among the earlier turns of a conversation trained on."""
    rng = Random(11)
    asked = {
        message["content"]
        for message in (m for _ in range(DRAWN) for m in train_sample(rng).messages[:-1])
        if message["role"] == "user"
    }
    for language, skill in product(LANGUAGES, ("add", "sort")):
        sample = kept_sample(rng, skill, language, "think", False)
        assert sample is not None
        assert sample.task.ask not in asked


@pytest.mark.parametrize("unseen", [False, True])
def test_wordings_are_kept_too(unseen: bool) -> None:
    """A phrase with choices has wordings for training and others, which never mix."""
    rng, phrases = Random(1), ["[What is|Tell me|Compute|Say] [now |quickly ||]{e}[?|.|!|]"]
    found = {pick(rng, phrases, unseen) for _ in range(300)}
    other = {pick(rng, phrases, not unseen) for _ in range(300)}
    assert found
    assert other
    assert not found & other


@given(NUMBERS, NUMBERS, st.sampled_from(LANGUAGES), st.sampled_from(["add", "subtract"]))
def test_sums_are_worked_right(a: int, b: int, language: Language, skill: str) -> None:
    """The thinking ends with the result, and each of its columns is true."""
    thinking, value = work(language, skill, a, b)
    assert value == (a + b if skill == "add" else a - b)
    assert str(value) in thinking.splitlines()[-1]
    assert_columns(thinking)


@given(st.integers(0, 999), st.integers(0, 9), st.sampled_from(LANGUAGES), st.booleans())
def test_products_are_worked_right(a: int, b: int, language: Language, turned: bool) -> None:
    """Either factor may be the one with a single digit."""
    thinking, value = work(language, "multiply", *((b, a) if turned else (a, b)))
    assert value == a * b
    assert_columns(thinking)


def assert_columns(thinking: str) -> None:
    """Each line such as "7 + 5 + 1 = 13" is true, and writes the last digit."""
    for step, result, written in re.findall(
        r"^(\d+ [-+×] \d+ [-+] \d+) = (-?\d+)\D+(\d)", thinking, re.MULTILINE
    ):
        assert eval(step.replace("×", "*")) == int(result)
        assert int(written) == int(result) % 10


def test_replies_are_what_they_are_judged_by(trained: list[Sample]) -> None:
    """Every reply that is trained on counts as right and well formed."""
    for sample in trained:
        if sample.mode in ("think", "off", "soft"):
            verdict = judge(sample, sample.reply)
            assert verdict.right, sample
            assert verdict.formed, sample


@pytest.mark.parametrize("mode", ["think", "off"])
@pytest.mark.parametrize(
    "reply", ["", "<think>\n", "</think>", "43" + END, "<think>\n\n</think>\n\n42"]
)
def test_other_replies_are_wrong(mode: Mode, reply: str) -> None:
    """A reply that is cut, or says something else, does not count."""
    sample = kept_sample(Random(3), "add", "en", mode, False)
    assert sample is not None
    assert not judge(sample, reply).right


def test_calls_name_an_offered_tool(trained: list[Sample]) -> None:
    """A call is JSON, of a tool that is offered, with the parameters that it requires."""
    calls = [sample for sample in trained if sample.task.skill == "call"]
    assert len(calls) > 500
    for sample in calls:
        text = sample.reply.split("<tool_call>\n")[1].split("\n</tool_call>")[0]
        called = json.loads(text)
        offered = {tool["function"]["name"]: tool["function"] for tool in sample.tools}
        parameters = offered[called["name"]]["parameters"]
        assert set(called["arguments"]) <= set(parameters["properties"])
        assert set(parameters.get("required", ())) <= set(called["arguments"])


def test_values_of_a_call_stand_in_the_question(trained: list[Sample]) -> None:
    """As they are, capitals included: what is to be copied can be copied."""
    calls = [sample for sample in trained if sample.task.skill == "call"]
    assert len(calls) > 500
    for sample in calls:
        assert isinstance(sample.task.value, dict)
        for value in sample.task.value["arguments"].values():
            said = str(value).lower() if isinstance(value, bool) else str(value)
            assert said in sample.messages[-1]["content"]


def test_other_tools_are_for_other_things() -> None:
    """No tool that is offered beside another has a name in common with it but for the verb."""
    rng = Random(5)
    for _ in range(500):
        for tool in distractors(rng, "en", "get_weather|weatherReport"):
            assert tool["function"]["name"].lower() not in (
                "weather",
                "check_weather",
                "getweather",
            )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_wording_has_each_value_of_its_tool(language: Language) -> None:
    """No value that a call must copy is missing from the question, none is there twice."""
    rng = Random(13)
    for kind in everyday_kinds():
        values = [f"{{{number}}}" for number in range(len(kind["needs"]))]
        for phrase in kind[language]:
            for _ in range(5):
                wording = pick(rng, [phrase])
                assert sorted(re.findall(r"{\d}", wording)) == values, (kind["name"], wording)


@pytest.mark.parametrize(
    ("number", "english", "chinese"),
    [
        (0, "zero", "零"),
        (10, "ten", "十"),
        (17, "seventeen", "十七"),
        (40, "forty", "四十"),
        (99, "ninety-nine", "九十九"),
        (100, "one hundred", "一百"),
    ],
)
def test_numbers_in_words(number: int, english: str, chinese: str) -> None:
    """As people write them."""
    assert (spelled(number, "en"), spelled(number, "zh")) == (english, chinese)
