"""`gateway.api.validation`: no body, however strange, ends in anything but a typed one or a 400."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.validation import validate_chat, validate_completion
from gateway.config.settings import LimitsConfig
from gateway.http.errors import InvalidRequest
from tests.gateway.api.bodies import HELLO, chat, completion, messages, refusal

LIMITS = LimitsConfig()
DEEP = 100_000


@pytest.mark.parametrize("decode", [validate_chat, validate_completion])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}}",
        b"Hello",
        b"\0",
        b"\xff\xfe{\0}\0",
        b'{"model":"\xff"}',
        b'{"model":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'{"n":' + b"1" * 10_000 + b"}",
        b"1e400",
    ],
    ids=lambda body: repr(body[:12]) if isinstance(body, bytes) else body.__name__,
)
def test_not_json(decode, body):
    """What is no JSON is said to be none, without a word of what was sent."""
    error = refusal(decode, body, LIMITS)

    assert (error.message, error.param) == ("The body is not valid JSON.", None)


@pytest.mark.parametrize(
    "escape", [r"\ud800", r"\udc00", r"\ud800\ud800", r"\ud83d\u0041", r"\ud83dx"]
)
def test_lone_surrogates_are_not_json(escape):
    """Half a character can't come in, so none can go out again."""
    body = HELLO.replace("Hello", escape)

    assert refusal(validate_chat, f"{{{body}}}".encode(), LIMITS).param is None


def test_whole_surrogate_pairs_are_a_character():
    """An escaped pair is what it stands for."""
    body = HELLO.replace("Hello", r"\ud83d\ude00")

    assert validate_chat(f"{{{body}}}".encode(), LIMITS).messages[0].content == "😀"


@pytest.mark.parametrize("body", [b"[]", b"1", b'"a"', b"null", b"true", b"[{}]"])
def test_not_an_object(body):
    """JSON of another kind is refused as such."""
    assert refusal(validate_chat, body, LIMITS).message == "The body must be a JSON object."


def test_the_last_of_equal_keys_counts():
    """As in every JSON reader that a client is likely to have."""
    assert chat(json_text='"n":"x","n":2').n == 2
    assert refusal(chat, json_text='"n":2,"n":"x"').param == "n"


@given(body=st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_body_or_an_error(body):
    """Nothing but InvalidRequest is raised, whatever the bytes."""
    for decode in (validate_chat, validate_completion):
        with pytest.raises(InvalidRequest):
            decode(body, LIMITS)


@pytest.mark.parametrize(
    ("decode", "param"), [(validate_chat, "messages"), (validate_completion, "prompt")]
)
def test_the_one_required_field(decode, param):
    """Each route needs what it goes on from."""
    assert refusal(decode, b"{}", LIMITS).param == param


SECRET = "sk-very-secret"


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": SECRET},
        {"stop": [SECRET, 1]},
        {"reasoning": SECRET},
        {"logit_bias": {SECRET: "x"}},
        {"logprobs": SECRET},
        {"messages": [{"role": SECRET}]},
        {"messages": [{"role": f"{SECRET}' - at `$.x`\n"}]},
        {"messages": [{"role": "user", "content": [{"type": SECRET}]}]},
    ],
)
def test_errors_do_not_repeat_what_was_sent(fields):
    """A value may be anything, so it is never in the message."""
    error = refusal(chat, fields)

    assert SECRET not in error.body().decode()
    assert error.param


BOTH = [
    ("allowed_token_ids", [1], None),
    ("bad_words", ["a"], []),
    ("best_of", 2, 1),
    ("echo", True, False),
    ("include_stop_str_in_output", True, False),
    ("length_penalty", 2, 1.0),
    ("logprob_token_ids", [1], []),
    ("min_tokens", 1, 0),
    ("prompt_embeds", "AAAA", None),
    ("prompt_logprobs", 0, None),
    ("repetition_detection", {}, None),
    ("response_format", {"type": "json_object"}, {"type": "text"}),
    ("return_token_ids", True, False),
    ("skip_special_tokens", False, True),
    ("spaces_between_special_tokens", False, True),
    ("stop_token_ids", [1], []),
    ("structured_outputs", {"regex": "a"}, None),
    ("suffix", "a", ""),
    ("timings", True, False),
    ("top_logprobs", 1, 0),
    ("truncate_prompt_tokens", 1, None),
    ("use_beam_search", True, False),
    ("vllm_xargs", {"a": 1}, {}),
    ("watermarking", True, False),
]
CHAT = [
    ("add_generation_prompt", False, True),
    ("add_special_tokens", True, False),
    ("audio", {"voice": "a"}, None),
    ("continue_final_message", True, False),
    ("documents", [{}], []),
    ("function_call", "auto", "none"),
    ("functions", [{}], []),
    ("logprobs", True, False),
    ("modalities", ["audio"], ["text"]),
    ("tool_choice", "required", "auto"),
    ("web_search_options", {}, None),
]
COMPLETIONS = [("add_special_tokens", False, True), ("logprobs", 0, None)]


@pytest.mark.parametrize(
    ("decode", "field", "asked", "neutral"),
    [
        *((decode, *row) for decode in (chat, completion) for row in BOTH),
        *((chat, *row) for row in CHAT),
        *((completion, *row) for row in COMPLETIONS),
    ],
)
def test_what_is_not_supported_is_refused(decode, field, asked, neutral):
    """A field that would change the answer is refused; with a value that changes nothing it is not.

    Strictness makes no difference to either.
    """
    for strict in (False, True):
        error = refusal(decode, {field: asked}, strict=strict)
        assert (error.message, error.param) == (f"{field} is not supported yet.", field)
        assert decode({field: neutral}, strict=strict)
        assert decode({field: None}, strict=strict)


@pytest.mark.parametrize("decode", [chat, completion])
@pytest.mark.parametrize("field", ["temprature", "", "messages.role", "a`b", "\n", "😀"])
def test_strictness_is_about_unknown_fields(decode, field):
    """They are ignored, unless `[limits] strict` is set: then a typo is an error that names it."""
    assert decode({field: 1})
    assert refusal(decode, {field: 1}, strict=True).param == field


@pytest.mark.parametrize("field", ["user", "metadata", "store", "service_tier"])
def test_strictness_knows_openais_fields(field):
    """What any OpenAI client may send, and what changes no answer, is no typo."""
    assert chat({field: "x"}, strict=True)


def test_each_route_has_its_own_fields():
    """What only chat knows is unknown to completions."""
    for field in ("messages", "max_completion_tokens", "chat_template"):
        assert refusal(completion, {field: 1}, strict=True).param == field
    assert refusal(chat, {"prompt": 1}, strict=True).param == "prompt"


@pytest.mark.parametrize("stream", [None, False])
def test_stream_options_need_a_stream(stream):
    """As in OpenAI's API, even where they say nothing."""
    for options in ({}, {"include_usage": True}):
        error = refusal(chat, {"stream": stream, "stream_options": options})
        assert error.param == "stream_options"
    assert chat({"stream": True, "stream_options": {"include_usage": True}})
    assert chat({"stream": stream, "stream_options": None})


@pytest.mark.parametrize(
    ("limit", "decode", "field", "allowed", "too_many"),
    [
        ("max_n", chat, "n", 3, 4),
        ("max_n", completion, "n", 3, 4),
        ("max_stop", chat, "stop", ["a", "b", "c"], ["a", "b", "c", "d"]),
        ("max_prompts", completion, "prompt", ["a", "b", "c"], ["a", "b", "c", "d"]),
        ("max_prompts", completion, "prompt", [[1], [2], [3]], [[1], [2], [3], [4]]),
        ("max_prompts", completion, "prompt", [1, 2, 3, 4], [[1], [2], [3], [4]]),
    ],
)
def test_caps(limit, decode, field, allowed, too_many):
    """What costs more than one request is capped; the error has the limit and the value."""
    assert decode({field: allowed}, **{limit: 3})
    error = refusal(decode, {field: too_many}, **{limit: 3})
    assert error.param == field
    assert "At most 3 " in error.message
    assert error.message.endswith("got 4.")


@pytest.mark.parametrize(
    "name",
    ["messages", "tools", "tokenize", "add_generation_prompt", "chat_template", "truncation"],
)
def test_template_variables_are_no_way_around(name):
    """A template's variables can't reach the renderer's own arguments."""
    error = refusal(chat, {"chat_template_kwargs": {"a": 1, name: 1}})

    assert error.param == f"chat_template_kwargs.{name}"
    assert chat({"chat_template_kwargs": {"a": {name: 1}}})


def test_a_message_takes_any_text():
    """Whatever JSON can write, a message can hold."""
    text = "".join(chr(code) for code in range(0x250)) + "\u2028\ufeff\U0010ffff"

    assert messages({"role": "user", "content": text}).messages[0].content == text
