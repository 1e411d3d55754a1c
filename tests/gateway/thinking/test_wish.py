"""`gateway.thinking.wish`: every vendor's words for thinking."""

import pytest

from tests.gateway.thinking.wishes import refusal, settle, user

OFF = [
    {"reasoning_effort": "none"},
    {"reasoning": {"effort": "none"}},
    {"reasoning": {"enabled": False}},
    {"enable_thinking": False},
    {"think": False},
    {"think": "none"},
    {"thinking": {"type": "disabled"}},
    {"chat_template_kwargs": {"enable_thinking": False}},
    {"chat_template_kwargs": {"thinking": False}},
    {"thinking_token_budget": 0},
    {"thinking_budget": 0},
    {"reasoning_budget": 0},
    {"reasoning": {"max_tokens": 0}},
    {"thinking": {"budget_tokens": 0}},
    {"messages": user("Hello /no_think")},
]
ON = [
    {"reasoning_effort": "low"},
    {"reasoning": {"effort": "high"}},
    {"reasoning": {"enabled": True}},
    {"enable_thinking": True},
    {"think": True},
    {"think": "medium"},
    {"thinking": {"type": "enabled"}},
    {"thinking": {"type": "adaptive"}},
    {"chat_template_kwargs": {"enable_thinking": True}},
    {"chat_template_kwargs": {"thinking": True}},
    {"messages": user("Hello /think")},
]
SILENT = [
    {},
    {"reasoning": {}},
    {"thinking": {}},
    {"chat_template_kwargs": {"enable_thinking": "no"}},
    *({name: -1} for name in ("thinking_token_budget", "thinking_budget", "reasoning_budget")),
    {"reasoning": {"max_tokens": -1}},
    {"thinking": {"budget_tokens": -1}},
]
SHOWN = [
    ({"reasoning_format": "parsed"}, "parsed"),
    ({"reasoning_format": "deepseek"}, "parsed"),
    ({"reasoning_format": "hidden"}, "hidden"),
    ({"reasoning_format": "raw"}, "raw"),
    ({"reasoning_format": "none"}, "raw"),
    ({"include_reasoning": True}, "parsed"),
    ({"include_reasoning": False}, "hidden"),
    ({"reasoning": {"exclude": True}}, "hidden"),
    ({"reasoning": {"exclude": False}}, "parsed"),
    ({"separate_reasoning": True}, "parsed"),
    ({"separate_reasoning": False}, "raw"),
]


@pytest.mark.parametrize(("fields", "visibility"), SHOWN)
def test_words_for_visibility(fields, visibility):
    """Every synonym says what leaves the house, against any default, and nothing else."""
    for default in ("parsed", "hidden", "raw"):
        settled = settle(fields, visibility=default)
        assert (settled.visibility, settled.switch, settled.effort) == (visibility, None, None)


@pytest.mark.parametrize(
    ("fields", "switch"),
    [*((each, False) for each in OFF), *((each, True) for each in ON)],
)
def test_words_for_the_switch(fields, switch):
    """Every synonym switches, against any default, and hides nothing."""
    for default in (None, True, False):
        settled = settle(fields, switch=default)
        assert (settled.visibility, settled.switch) == ("parsed", switch)


@pytest.mark.parametrize("fields", SILENT)
@pytest.mark.parametrize("default", [None, True, False])
def test_words_that_leave_the_switch_alone(fields, default):
    """Empty objects, a template's own variables and an unlimited budget change nothing."""
    assert settle(fields, switch=default).switch is default


@pytest.mark.parametrize("fields", [{"visibility": "hidden"}, {"switch": False}])
def test_the_configuration_holds_where_nobody_says_anything(fields):
    """Without a word from the request the defaults are used."""
    settled = settle({}, **fields)

    assert (settled.visibility, settled.switch) == (
        fields.get("visibility", "parsed"),
        fields.get("switch"),
    )


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
@pytest.mark.parametrize("field", ["reasoning_effort", "reasoning.effort", "think"])
def test_effort_reaches_the_template(field, effort):
    """Under each of its names, an effort is kept for the template; all but `none` switch on."""
    name, _, inner = field.partition(".")
    settled = settle({name: {inner: effort} if inner else effort})

    assert (settled.effort, settled.switch) == (effort, effort != "none")


@pytest.mark.parametrize(
    ("messages", "switch"),
    [
        (user("a\n/no_think \n"), False),
        (user("/no_think"), False),
        (user("/no_think is a word"), None),
        (user("path/no_think"), None),
        (user("/NO_THINK"), None),
        (user(""), None),
        (user(" \n"), None),
        (user(None), None),
        (user([]), None),
        ([{"role": "system", "content": "/no_think"}], None),
        ([{"role": "user", "content": "/no_think"}, {"role": "user", "content": "b"}], None),
        ([{"role": "user", "content": "/no_think"}, {"role": "tool", "content": "b"}], False),
        (
            user([{"type": "text", "text": "a"}, {"type": "text", "text": "/think"}]),
            True,
        ),
    ],
)
def test_the_soft_switch(messages, switch):
    """Only the last word of the last user message is one, in text and in parts."""
    assert settle({"messages": messages}).switch is switch


@pytest.mark.parametrize(
    ("around", "param"),
    [
        ({"fields": {"reasoning_format": "xml"}}, "reasoning_format"),
        ({"fields": {"reasoning_effort": "huge"}}, "reasoning_effort"),
        ({"fields": {"reasoning_effort": ""}}, "reasoning_effort"),
        ({"fields": {"reasoning": {"effort": "huge"}}}, "reasoning.effort"),
        ({"fields": {"think": "yes"}}, "think"),
        ({"fields": {"thinking": {"type": "auto"}}}, "thinking.type"),
        ({"query": {"reasoning": "none"}}, "reasoning"),
        ({"query": {"reasoning": ""}}, "reasoning"),
        ({"query": {"thinking": "false"}}, "thinking"),
        ({"header": "Hidden"}, "X-Reasoning"),
    ],
)
def test_unknown_words_are_refused(around, param):
    """A typo must not show what was to be hidden; the error has the words that are known."""
    error = refusal(**{"fields": {}, **around})

    assert error.param == param
    assert " must be one of " in error.message


@pytest.mark.parametrize(
    "fields",
    [
        {"thinking_token_budget": 1},
        {"thinking_budget": 1},
        {"reasoning_budget": 1},
        {"reasoning": {"max_tokens": 1}},
        {"thinking": {"budget_tokens": 2**31 - 1}},
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(fields):
    """Under each of its names, a budget is refused rather than ignored."""
    ((name, value),) = fields.items()

    assert refusal(fields).param == (f"{name}.{next(iter(value))}" if type(value) is dict else name)


@pytest.mark.parametrize("visibility", ["parsed", "hidden", "raw"])
@pytest.mark.parametrize("where", ["query", "header", "prefix", "suffix"])
def test_words_outside_the_body(where, visibility):
    """Query, header, prefix and suffix take the same three words."""
    word = {"query": {"reasoning": visibility}, "header": visibility}.get(where, (visibility,))

    assert settle({}, visibility="raw", **{where: word}).visibility == visibility


@pytest.mark.parametrize(
    ("around", "switch"),
    [
        ({"query": {"thinking": "off"}}, False),
        ({"query": {"thinking": "on"}}, True),
        ({"prefix": ("nothink",)}, False),
        ({"prefix": ("hidden", "think")}, True),
        ({"suffix": ("nothink",)}, False),
        ({"suffix": ("hidden", "think")}, True),
    ],
)
def test_switches_outside_the_body(around, switch):
    """Query, prefix and suffix switch too."""
    assert settle({}, **around).switch is switch
