"""Every vendor's way to say what to do about thinking, resolved to two settings.

- visibility, what leaves the house. `parsed`: thinking in its own field; `hidden`: not at all;
  `raw`: the text as generated, tags and all.
- switch, whether the model thinks. On, off, or None: as the model's template does it.

Sources, strongest first: body, query, header, path prefix, model suffix, configuration. Two on
the same level that disagree are an error that names both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from gateway.http.errors import InvalidRequest
from gateway.schema import Body

Visibility = Literal["parsed", "hidden", "raw"]
Value = TypeVar("Value")
Claim = tuple[str, Value]
"""A source, and what it says."""

VISIBILITY_WORDS: Mapping[str, Visibility] = {"parsed": "parsed", "hidden": "hidden", "raw": "raw"}
SWITCH_WORDS: Mapping[str, bool] = {"think": True, "nothink": False}
"""Both: the words of path prefixes and model suffixes."""

_FORMATS: Mapping[str, Visibility] = {**VISIBILITY_WORDS, "none": "raw", "deepseek": "parsed"}
_QUERY_SWITCH = {"on": True, "off": False}
_THINKING_TYPES = {"enabled": True, "adaptive": True, "disabled": False}
_SOFT_SWITCHES = {"/think": True, "/no_think": False}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What one request wants.

    Attributes:
        visibility: what leaves the house.
        switch: whether the model is to think; None for the template's default.
        effort: passed to the chat template; None where the request has none.
    """

    visibility: Visibility
    switch: bool | None
    effort: str | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a request says outside its body.

    Attributes:
        query: the query's parameters, each with all its values.
        header: the values of `X-Reasoning`.
        prefix: words in front of the path, such as `hidden`.
        suffix: words behind the model's name.
        visibility: the configuration's default.
        switch: the configuration's default.
    """

    query: Mapping[str, Sequence[str]]
    header: Sequence[str]
    prefix: Sequence[str]
    suffix: Sequence[str]
    visibility: Visibility
    switch: bool | None


def resolve(body: Body, around: Surroundings) -> Reasoning:
    """Settle what a request wants.

    Raises:
        InvalidRequest: a word that nobody knows, or two sources on one level that disagree.
    """
    visibility = _settle(
        [
            _visibility_in_body(body),
            _queried("reasoning", around, VISIBILITY_WORDS),
            _all_words("X-Reasoning: ", around.header, VISIBILITY_WORDS, "X-Reasoning"),
            _among("path prefix", around.prefix, VISIBILITY_WORDS),
            _among("model suffix", around.suffix, VISIBILITY_WORDS),
        ]
    )
    switch = _settle(
        [
            _switch_in_body(body),
            _queried("thinking", around, _QUERY_SWITCH),
            _among("path prefix", around.prefix, SWITCH_WORDS),
            _among("model suffix", around.suffix, SWITCH_WORDS),
        ]
    )
    return Reasoning(
        visibility=around.visibility if visibility is None else visibility,
        switch=around.switch if switch is None else switch,
        effort=_settle([_efforts(body)]),
    )


def _settle(levels: Iterable[Iterable[Claim[Value]]]) -> Value | None:
    """The strongest level's value; None if nobody says anything."""
    for level in levels:
        claims = list(level)
        for source, value in claims[1:]:
            if value != claims[0][1]:
                raise InvalidRequest(f"{claims[0][0]} and {source} disagree.", source)
        if claims:
            return claims[0][1]
    return None


def _queried(name: str, around: Surroundings, known: Mapping[str, Value]) -> Iterator[Claim[Value]]:
    return _all_words(f"?{name}=", around.query.get(name, ()), known, name)


def _all_words(
    source: str, words: Iterable[str], known: Mapping[str, Value], param: str
) -> Iterator[Claim[Value]]:
    for word in words:
        if word not in known:
            raise InvalidRequest(f"{param} must be one of {', '.join(known)}.", param)
        yield source + word, known[word]


def _among(source: str, words: Iterable[str], known: Mapping[str, Value]) -> Iterator[Claim[Value]]:
    return ((f"{source} {word}", known[word]) for word in words if word in known)


def _word(field: str, word: str | None, known: Mapping[str, Value]) -> Iterator[Claim[Value]]:
    return _all_words(f"{field}: ", () if word is None else (word,), known, field)


def _visibility_in_body(body: Body) -> Iterator[Claim[Visibility]]:
    yield from _word("reasoning_format", body.reasoning_format, _FORMATS)
    if body.include_reasoning is not None:
        yield "include_reasoning", "parsed" if body.include_reasoning else "hidden"
    if body.reasoning and body.reasoning.exclude is not None:
        yield "reasoning.exclude", "hidden" if body.reasoning.exclude else "parsed"
    if body.separate_reasoning is not None:
        yield "separate_reasoning", "parsed" if body.separate_reasoning else "raw"


def _switch_in_body(body: Body) -> Iterator[Claim[bool]]:
    named = {
        "reasoning.enabled": body.reasoning.enabled if body.reasoning else None,
        "enable_thinking": body.enable_thinking,
        "think": body.think if isinstance(body.think, bool) else None,
        **_switch_in_template(body),
    }
    for source, wanted in named.items():
        if wanted is not None:
            yield source, wanted
    for source, effort in _efforts(body):
        yield source, effort != "none"
    if body.thinking:
        yield from _word("thinking.type", body.thinking.type, _THINKING_TYPES)
    for source, budget in _budgets(body):
        if budget == 0:
            yield source, False
        elif budget > 0:
            raise InvalidRequest(f"{source}: a thinking budget is not supported yet.", source)
    word = body.last_word()
    if word in _SOFT_SWITCHES:
        yield word, _SOFT_SWITCHES[word]


def _switch_in_template(body: Body) -> dict[str, bool | None]:
    variables = body.chat_template_kwargs or {}
    return {
        f"chat_template_kwargs.{name}": variables[name]
        for name in ("enable_thinking", "thinking")
        if isinstance(variables.get(name), bool)
    }


def _efforts(body: Body) -> Iterator[Claim[str]]:
    named = {
        "reasoning_effort": body.reasoning_effort,
        "reasoning.effort": body.reasoning.effort if body.reasoning else None,
        "think": body.think if isinstance(body.think, str) else None,
    }
    for source, effort in named.items():
        if effort is None:
            continue
        if effort not in _EFFORTS:
            raise InvalidRequest(f"{source} must be one of {', '.join(_EFFORTS)}.", source)
        yield source, effort


def _budgets(body: Body) -> Iterator[Claim[int]]:
    named = {
        "thinking_token_budget": body.thinking_token_budget,
        "thinking_budget": body.thinking_budget,
        "reasoning_budget": body.reasoning_budget,
        "reasoning.max_tokens": body.reasoning.max_tokens if body.reasoning else None,
        "thinking.budget_tokens": body.thinking.budget_tokens if body.thinking else None,
    }
    return ((source, budget) for source, budget in named.items() if budget is not None)
