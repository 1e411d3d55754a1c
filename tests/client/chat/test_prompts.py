"""Templates: what they make, and all that can be wrong with them."""

from pathlib import Path

import pytest

from client.chat.prompts import TemplateError, load, shipped
from client.openai.types import Message, Request

GOOD = """
messages:
  - role: system
    content: You speak ${language}.
  - role: user
    content: 'Costs $5, {"a": 1}, $${topic}, ${topic}, ${topic}: $topic ${not a name}'
variables:
  language: English
  topic:
  number: 3
sampling:
  temperature: 0
  top_k: 20
  stop: [a, b]
  max_tokens: 7
thinking: off
"""


@pytest.fixture
def write(tmp_path: Path) -> Path:
    """A place for a template."""
    return tmp_path / "template.yaml"


def problems(path: Path, text: str, **given: str) -> list[str]:
    """What is wrong with a template."""
    path.write_text(text)
    with pytest.raises(TemplateError) as caught:
        load(str(path), given)
    said = str(caught.value)
    assert said.startswith(f"template {path}: ")
    assert "\n" not in said
    return said.removeprefix(f"template {path}: ").split("; ")


def test_template_becomes_a_request(write: Path) -> None:
    """Variables are filled in once, other text stays, and sampling goes under its own names."""
    write.write_text(GOOD)
    assert load(str(write), {"topic": "${language}"}) == Request(
        messages=(
            Message("system", "You speak English."),
            Message(
                "user",
                'Costs $5, {"a": 1}, ${topic}, ${language}, ${language}: $topic ${not a name}',
            ),
        ),
        max_tokens=7,
        thinking=False,
        fields={"temperature": 0, "top_k": 20, "stop": ["a", "b"]},
    )


@pytest.mark.parametrize(
    ("said", "thinking"),
    [("on", True), ("off", False), ("true", True), ("false", False), ("'on'", True),
     ("'off'", False), ("", None)],
)  # fmt: skip
def test_thinking_is_on_off_or_unsaid(write: Path, said: str, thinking: bool | None) -> None:
    """Every spelling of on and off is understood, quoted or not."""
    write.write_text(f"messages: [{{role: user, content: a}}]\nthinking: {said}")
    assert load(str(write), {}).thinking is thinking


def test_everything_wrong_is_listed_at_once(write: Path) -> None:
    """Unknown keys at every level, wrong values, missing and undeclared variables: one error."""
    text = """
        mesages: []
        messages:
          - {role: usr, content: "${citty} $${other}", name: q}
          - just text
          - {role: user}
          - {role: assistant, content: 5}
        variables: {city: , days: , flag: true, a-b: 2}
        sampling: {temprature: 1, temperature: -1, top_p: .inf, max_tokens: 0}
        thinking: perhaps
        """
    assert problems(write, text, days="3", cty="x") == [
        "unknown key mesages (did you mean messages?)",
        "thinking: Invalid enum value 'perhaps'",
        "unknown key messages[0].name",
        "messages[0].role: Invalid enum value 'usr'",
        "messages[1] is not a mapping",
        "messages[2].content is missing",
        "messages[3].content: Expected `str`, got `int`",
        "the last message is not the user's",
        "unknown key sampling.temprature (did you mean temperature?)",
        "sampling.temperature: Expected `float` >= 0.0",
        "sampling.top_p: Expected `float` <= 1.0",
        "sampling.max_tokens: Expected `int` >= 1",
        "variable city is missing (--var city=VALUE)",
        "variables.flag: Expected `int | float | str`, got `bool`",
        "variables.a-b is no name: letters, digits and _ make one",
        "variable cty is not declared (did you mean city?)",
        "${citty} is used but not declared (did you mean city?)",
    ]


def test_every_missing_variable_is_named(write: Path) -> None:
    """All variables without a value are listed; those with a default are not."""
    text = "messages: [{role: user, content: '${a} ${b} ${c}'}]\nvariables: {a: , b: , c: 1}"
    assert problems(write, text) == [
        "variable a is missing (--var a=VALUE)",
        "variable b is missing (--var b=VALUE)",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is not a mapping"),
        ("variables: {}", "messages is missing"),
        ("messages: []", "messages: Expected `array` of length >= 1"),
    ],
)
def test_file_needs_messages(write: Path, text: str, said: str) -> None:
    """A template without messages is none."""
    assert said in problems(write, text)


@pytest.mark.parametrize("text", ["a: [1\nb: {", "a: 2024-13-45", "a: !!python/name:os.system x"])
def test_what_is_not_yaml_is_one_clear_error(write: Path, text: str) -> None:
    """Bad YAML, tags that would run code included, is an error of one line."""
    write.write_text(text)
    with pytest.raises(TemplateError, match=r"is not YAML: [^\n]+$"):
        load(str(write), {})


def test_unknown_name_lists_what_is_shipped() -> None:
    """A template that isn't there is answered with those that are."""
    with pytest.raises(TemplateError, match=r"No such file.*hotel-bill, hotel-bill-zh"):
        load("hotel-bil", {})


@pytest.mark.parametrize("name", ["basic-chat", "hotel-bill", "logic", "travel-guide"])
def test_shipped_templates_are_good_in_both_languages(name: str) -> None:
    """Each shipped template makes a request, with the same settings in English and Chinese."""
    given = {"basic-chat": {"question": "Why?"}, "travel-guide": {"city": "Oslo"}}.get(name, {})
    english, chinese = load(name, given), load(f"{name}-zh", given)
    assert (english.fields, english.thinking) == (chinese.fields, chinese.thinking)
    for value in given.values():
        assert value in english.messages[-1].content
        assert value in chinese.messages[-1].content
    for request, is_chinese in ((english, False), (chinese, True)):
        texts = [message.content for message in request.messages if message.content != "Why?"]
        assert all(any("\u4e00" <= c <= "\u9fff" for c in text) == is_chinese for text in texts)


def test_every_shipped_template_is_tested() -> None:
    """The list has four templates in two languages."""
    names = {name.removesuffix("-zh") for name in shipped()}
    assert names == {"basic-chat", "hotel-bill", "logic", "travel-guide"}
    assert len(shipped()) == 2 * len(names)
