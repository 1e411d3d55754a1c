"""`gateway.api.bodies`: what every field takes, and what the bodies make of it."""

import json

import pytest

from engine.types import Sampling
from gateway.api.bodies import ChatBody, CompletionBody
from gateway.http.errors import InvalidRequest
from tests.gateway.api.bodies import HELLO, chat, completion, messages

HUGE = "1" + "0" * 400
NUMBERS = [
    *("-2147483649", "-3", "-1", "0", "1", "128", "2147483647", "2147483648"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551616", HUGE),
]
FRACTIONS = ["-2.5", "-0.5", "0.5", "1.0", "1.5", "2.5"]
OTHERS = ["true", "false", '"1"', '""', "[]", '["a"]', "[1]", "{}", '{"a":1}', '{"1":1}']
NOT_JSON = ["NaN", "Infinity", "-Infinity", "1e400", "tru", "01", "'a'", "+1"]

BOOLEAN = {"true", "false"}
TEXT = {'"1"', '""'}
WHOLE = set(NUMBERS[4:7])  # 1 to 2**31 - 1
BUDGET = {"-1", "0", *WHOLE}
PENALTY = {"-1", "0", "1", "-0.5", "0.5", "1.0", "1.5"}
TAKEN = {
    "model": TEXT,
    "stream": BOOLEAN,
    "n": WHOLE,
    "max_tokens": WHOLE,
    "max_completion_tokens": WHOLE,
    "temperature": {"0", "1", "0.5", "1.0", "1.5"},
    "top_p": {"1", "0.5", "1.0"},
    "top_k": BUDGET,
    "min_p": {"0", "1", "0.5", "1.0"},
    "presence_penalty": PENALTY,
    "frequency_penalty": PENALTY,
    "repetition_penalty": {"1", "0.5", "1.0", "1.5", "2.5"},
    "seed": set(NUMBERS[:9]),
    "stop": {'"1"', "[]", '["a"]'},
    "logit_bias": {"{}", '{"1":1}', '{"a":1}'},
    "ignore_eos": BOOLEAN,
    "reasoning_format": TEXT,
    "include_reasoning": BOOLEAN,
    "separate_reasoning": BOOLEAN,
    "reasoning": {"{}", '{"a":1}', '{"1":1}'},
    "reasoning_effort": TEXT,
    "enable_thinking": BOOLEAN,
    "think": TEXT | BOOLEAN,
    "thinking": {"{}", '{"a":1}', '{"1":1}'},
    "chat_template": TEXT,
    "chat_template_kwargs": {"{}", '{"a":1}', '{"1":1}'},
    "thinking_token_budget": BUDGET,
    "thinking_budget": BUDGET,
    "reasoning_budget": BUDGET,
    "stream_options": {"{}", '{"a":1}', '{"1":1}'},
    "tools": {"[]"},
}
"""Which of the values above each field takes; every field takes null."""


def blame(text):
    """What is blamed when a chat has the field that `text` writes; None if nothing is."""
    stream = "" if text.startswith('"stream"') else '"stream":true,'
    try:
        chat(json_text=stream + text, max_n=2**31)
    except InvalidRequest as error:
        return error.param or "the body"
    return None


@pytest.mark.parametrize("field", TAKEN)
def test_what_a_field_takes(field):
    """Values of its type within its bounds and null; whatever else is sent, it is blamed."""
    values = [*NUMBERS, *FRACTIONS, *OTHERS]
    blamed = {value: blame(f'"{field}":{value}') for value in values}

    assert {value for value, param in blamed.items() if param is None} == TAKEN[field]
    assert {str(param).partition("[")[0] for param in blamed.values()} == {"None", field}
    assert blame(f'"{field}":null') is None
    assert {blame(f'"{field}":{value}') for value in NOT_JSON} == {"the body"}


def test_every_field_has_its_row():
    """A field that is added is tested; what `tool_choice` takes, test_decode knows."""
    fields = {*ChatBody.__struct_fields__, *CompletionBody.__struct_fields__}

    assert fields == {*TAKEN, "messages", "prompt", "tool_choice"}


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ('"stream_options":{"include_usage":1}', "stream_options.include_usage"),
        ('"stream_options":{"include_usage":null}', "stream_options.include_usage"),
        ('"reasoning":{"effort":["low"]}', "reasoning.effort"),
        ('"reasoning":{"enabled":"yes"}', "reasoning.enabled"),
        ('"reasoning":{"exclude":0}', "reasoning.exclude"),
        ('"reasoning":{"max_tokens":-2}', "reasoning.max_tokens"),
        ('"thinking":{"type":1}', "thinking.type"),
        ('"thinking":{"budget_tokens":2147483648}', "thinking.budget_tokens"),
        ('"stop":["a",""]', "stop[1]"),
        ('"stop":["a",1]', "stop[1]"),
        (f'"stop":"{"a" * 1025}"', "stop"),
        ('"logit_bias":{"1":"a"}', "logit_bias"),
        ('"logit_bias":{"1":true}', "logit_bias"),
        (f'"logit_bias":{json.dumps(dict.fromkeys(range(301), 1))}', "logit_bias"),
    ],
)
def test_inner_fields_are_blamed_by_their_path(text, param):
    """Inside an object or a list, the path to the culprit is named."""
    assert blame(text) == param


ROLE = {"role": "user"}


@pytest.mark.parametrize(
    ("turns", "param"),
    [
        ([], "messages"),
        (["Hello"], "messages[0]"),
        ([{}], "messages[0]"),
        ([{"role": "robot"}], "messages[0].role"),
        ([{"role": None}], "messages[0].role"),
        ([ROLE, {**ROLE, "content": 1}], "messages[1].content"),
        ([{**ROLE, "content": {}}], "messages[0].content"),
        ([{**ROLE, "content": ["Hello"]}], "messages[0].content[0]"),
        ([{**ROLE, "content": [{"type": "text"}]}], "messages[0].content[0]"),
        ([{**ROLE, "content": [{"type": "image_url"}]}], "messages[0].content[0].type"),
        ([{**ROLE, "content": [{"type": "text", "text": 1}]}], "messages[0].content[0].text"),
        ([{**ROLE, "name": 1}], "messages[0].name"),
        ([{**ROLE, "reasoning": 1}], "messages[0].reasoning"),
        ([{**ROLE, "reasoning_content": []}], "messages[0].reasoning_content"),
        ([{**ROLE, "tool_call_id": 1}], "messages[0].tool_call_id"),
        ([{**ROLE, "tool_calls": {}}], "messages[0].tool_calls"),
        ([{**ROLE, "tool_calls": [{}]}], "messages[0].tool_calls[0]"),
        (
            [{**ROLE, "tool_calls": [{"function": {"name": "f"}}]}],
            "messages[0].tool_calls[0].function",
        ),
    ],
)
def test_bad_messages_are_blamed_by_their_path(turns, param):
    """A message of another shape is refused, and the error leads to the spot."""
    with pytest.raises(InvalidRequest) as caught:
        messages(*turns)
    assert caught.value.param == param


@pytest.mark.parametrize("text", ['"messages":null', '"messages":"Hello"', '"messages":{}'])
def test_messages_are_a_list(text):
    """Nothing but a list will do; the last of several is the one that counts."""
    assert blame(text) == "messages"
    assert blame(f"{text},{HELLO}") is None


def test_good_messages_arrive_as_they_are():
    """Every role, both kinds of content, both names for thinking, calls and unknown keys."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = messages(
        {"role": "system", "content": "s", "extra": 1},
        {"role": "developer", "content": [{"type": "text", "text": "d"}]},
        {"role": "user", "content": "😀\0\ufffd", "name": "u"},
        {"role": "assistant", "content": None, "reasoning": "r", "tool_calls": [call]},
        {"role": "assistant", "reasoning_content": "c"},
        {"role": "tool", "content": "t", "tool_call_id": "1"},
    ).messages

    assert [turn.role for turn in turns] == [
        *("system", "developer", "user", "assistant", "assistant", "tool")
    ]
    assert (turns[0].content, turns[1].content[0].text, turns[2].content) == (
        "s",
        "d",
        "😀\0\ufffd",
    )
    assert (turns[3].reasoning, turns[3].tool_calls[0].function.name) == ("r", "f")
    assert (turns[4].content, turns[4].reasoning_content) == (None, "c")
    assert turns[5].tool_call_id == "1"


def test_sampling_has_what_was_asked():
    """Each parameter reaches the engine under its own name."""
    asked = {
        "n": 2,
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.25,
        "top_k": 3,
        "min_p": 0.125,
        "presence_penalty": -1.0,
        "frequency_penalty": 2.0,
        "repetition_penalty": 1.5,
        "seed": -(2**63),
        "ignore_eos": True,
    }

    sampling = chat(asked | {"logit_bias": {"5": -100}}).sampling()

    assert sampling == Sampling(**asked, logit_bias={5: -100.0})
    assert (
        chat(dict.fromkeys(asked)).sampling() == chat({"logit_bias": {}}).sampling() == Sampling()
    )


@pytest.mark.parametrize("key", ["a", "-1", "", "1.0", "٣", "9" * 10, " 1"])
def test_logit_bias_goes_by_token_id(key):
    """A key that can't be a token id is refused."""
    with pytest.raises(InvalidRequest) as caught:
        chat({"logit_bias": {key: 1}}).sampling()
    assert caught.value.param == "logit_bias"


@pytest.mark.parametrize(
    ("fields", "chats", "completes"),
    [
        ({}, None, 16),
        ({"max_tokens": 5}, 5, 5),
        ({"max_completion_tokens": 6}, 6, 16),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6, 5),
    ],
)
def test_token_limits(fields, chats, completes):
    """The newer name wins in chat; completions have OpenAI's default."""
    assert chat(fields).token_limit()[1] == chat(fields).sampling().max_tokens == chats
    assert completion(fields).token_limit()[1] == completes


@pytest.mark.parametrize(
    ("stop", "stops"), [(None, ()), ([], ()), ("a", ("a",)), (["b", "a"], ("b", "a"))]
)
def test_stops(stop, stops):
    """One string or several, in their order."""
    assert chat({"stop": stop}).stops() == stops


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("", [""]),
        ("a", ["a"]),
        (["a", ""], ["a", ""]),
        ([1, 2], [[1, 2]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        ([[]], [[]]),
    ],
)
def test_prompts(prompt, prompts):
    """A text, token ids, or a list of either."""
    assert completion({"prompt": prompt}).prompts() == prompts


@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        (None, "prompt"),
        (1, "prompt"),
        ({}, "prompt"),
        ([], "prompt"),
        ([1, "a"], "prompt"),
        ([[1], "a"], "prompt"),
        ([[1], 1], "prompt"),
        ([True], "prompt[0]"),
        ([1.5], "prompt[0]"),
        ([None], "prompt[0]"),
        ([1, 2**63], "prompt[1]"),
        ([[2**64]], "prompt[0][0]"),
        ([["a"]], "prompt[0][0]"),
        ([[[1]]], "prompt[0][0]"),
    ],
)
def test_bad_prompts(prompt, param):
    """Anything else is refused, mixtures too."""
    with pytest.raises(InvalidRequest) as caught:
        completion({"prompt": prompt})
    assert caught.value.param == param


def test_completions_have_no_soft_switch():
    """A raw prompt is nobody's last word."""
    assert completion({"prompt": "Hello /no_think"}).last_word() == ""
