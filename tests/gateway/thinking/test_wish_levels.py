"""`gateway.thinking.wish`: which source wins, and which two can't both be meant."""

import pytest

from tests.gateway.thinking.wishes import refusal, settle, user

LEVELS = [
    {"fields": {"reasoning_format": "raw", "think": True}},
    {"query": {"reasoning": "hidden", "thinking": "off"}},
    {"header": "raw"},
    {"prefix": ("hidden", "think")},
    {"suffix": ("raw", "nothink")},
]
"""Strongest first; each contradicts the next."""


@pytest.mark.parametrize("strongest", range(len(LEVELS)))
def test_each_level_beats_the_next(strongest):
    """Body, query, header, prefix, suffix, configuration: the first that speaks decides."""
    around = {"fields": {}, "visibility": "parsed", "switch": None}
    for level in LEVELS[strongest:]:
        around.update(level)
    settled = settle(around.pop("fields"), **around)

    assert settled.visibility == ("raw", "hidden", "raw", "hidden", "raw")[strongest]
    assert settled.switch is (True, False, True, True, False)[strongest]


def test_the_axes_are_independent():
    """A level that speaks about visibility alone leaves the switch to weaker ones."""
    settled = settle({"reasoning_format": "hidden"}, header="raw", suffix=("nothink", "raw"))

    assert (settled.visibility, settled.switch) == ("hidden", False)


@pytest.mark.parametrize(
    ("around", "first", "second"),
    [
        (
            {"fields": {"reasoning_format": "raw", "include_reasoning": True}},
            "reasoning_format: raw",
            "include_reasoning",
        ),
        (
            {"fields": {"include_reasoning": False, "separate_reasoning": True}},
            "include_reasoning",
            "separate_reasoning",
        ),
        (
            {"fields": {"reasoning": {"exclude": True}, "include_reasoning": True}},
            "include_reasoning",
            "reasoning.exclude",
        ),
        (
            {"fields": {"reasoning": {"enabled": True, "effort": "none"}}},
            "reasoning.enabled",
            "reasoning.effort",
        ),
        ({"fields": {"think": True, "thinking_budget": 0}}, "think", "thinking_budget"),
        (
            {"fields": {"chat_template_kwargs": {"thinking": True, "enable_thinking": False}}},
            "chat_template_kwargs.enable_thinking",
            "chat_template_kwargs.thinking",
        ),
        (
            {"fields": {"enable_thinking": True, "thinking": {"type": "disabled"}}},
            "enable_thinking",
            "thinking.type: disabled",
        ),
        (
            {"fields": {"enable_thinking": True, "messages": user("/no_think")}},
            "enable_thinking",
            "/no_think",
        ),
        (
            {"fields": {"reasoning_effort": "low", "reasoning": {"effort": "high"}}},
            "reasoning_effort",
            "reasoning.effort",
        ),
        ({"prefix": ("hidden", "raw")}, "path prefix hidden", "path prefix raw"),
        ({"prefix": ("think", "nothink")}, "path prefix think", "path prefix nothink"),
        ({"suffix": ("raw", "parsed")}, "model suffix raw", "model suffix parsed"),
        ({"suffix": ("think", "nothink")}, "model suffix think", "model suffix nothink"),
    ],
)
def test_disagreement_on_one_level_names_both(around, first, second):
    """Two sources of the same strength that contradict each other are refused, not guessed."""
    error = refusal(**{"fields": {}, **around})

    assert error.message == f"{first} and {second} disagree."
    assert error.param


def test_disagreement_on_a_weaker_level_is_not_looked_at():
    """What a stronger level has decided is decided."""
    assert settle({"reasoning_format": "raw"}, prefix=("hidden", "parsed")).visibility == "raw"


def test_sources_that_agree_are_no_conflict():
    """Several words for the same wish are one wish."""
    switch = {"think": False, "enable_thinking": False, "reasoning_budget": 0}
    visibility = {"reasoning_format": "hidden", "reasoning": {"exclude": True}}
    settled = settle({**switch, **visibility, "messages": user("/no_think")}, prefix=("hidden",))

    assert (settled.visibility, settled.switch) == ("hidden", False)


@pytest.mark.parametrize(
    ("around", "param"),
    [
        ({"query": {"reasoning": ["hidden", "raw"]}}, "?reasoning=raw"),
        ({"query": {"thinking": ["on", "off"]}}, "?thinking=off"),
        ({"header": ["hidden", "parsed"]}, "X-Reasoning: parsed"),
    ],
)
def test_a_source_that_is_sent_twice_may_not_contradict_itself(around, param):
    """Two values of one query parameter or header are two sources on one level."""
    assert refusal({}, **around).param == param
