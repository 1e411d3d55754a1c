"""Tools that a request may offer: everyday ones and ones nobody has heard of."""

import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

from tools.demo_model.phrases import files, fill, load, pick, roughen
from tools.demo_model.schemas import choice, optional, parameter, schema
from tools.demo_model.sentences import sentence
from tools.demo_model.task import Language
from tools.demo_model.values import KINDS, Value, said, value
from tools.demo_model.words import han, pseudo, word, words

_TYPES = {
    bool: ("boolean",),
    int: ("integer", "integer", "number"),
    float: ("number",),
    str: ("string",),
}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_VERBS = frozenset(
    "get set fetch check find look lookup show list read query search create make add new "  # noqa: SIM905
    "start book do run my current".split()
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool, a question that needs it, and what the call has to say.

    Attributes:
        name: what the tool is called.
        schema: how a request offers it.
        ask: the question.
        arguments: what the call has to say.
        clash: matches questions about other things for which the tool might be used, too.
        family: what all tools have in common that answer the same questions.
    """

    name: str
    schema: dict[str, Any]
    ask: str
    arguments: dict[str, Value]
    clash: str = "^$"
    family: str = ""


def offer(rng: Random, language: Language, unseen: bool = False) -> Offer:
    """Return a tool with a question for it."""
    style = rng.random()
    if style < 0.76:
        return _everyday(rng, language, unseen)
    return _any(rng, language) if style < 0.92 else _strange(rng, language)


def _everyday(rng: Random, language: Language, unseen: bool) -> Offer:
    kind = rng.choice(everyday_kinds())
    name = rng.choice(kind["name"].split("|"))
    needs: dict[str, str] = {}
    given: dict[str, Value] = {}
    choices: dict[str, list[str]] = {}
    for need in kind["needs"]:
        called, _, sort = need.partition(" = ")
        chosen = rng.choice([each for each in called.split("|") if each not in needs])
        needs[chosen] = sort
        if sort == "choice":
            choices[chosen] = kind["choices"][language]
            given[chosen] = rng.choice(choices[chosen])
        else:
            given[chosen] = value(rng, language, sort)
    about = rng.choice(kind["about"])
    ask = pick(rng, kind[language], unseen)
    if rng.random() < 0.12:
        ask = rng.choice(_asks_by_name(language))[len(needs) - 1]
    made = _offer(rng, language, name, about, needs, roughen(rng, ask), {}, given, choices)
    return dataclasses.replace(made, clash=kind.get("clash", "^$"), family=kind["name"])


@functools.cache
def everyday_kinds() -> list[dict[str, Any]]:
    """Return all kinds of tools that there are phrases for."""
    return [kind for file in files("tools") for kind in load(file)["tool"]]


@functools.cache
def _asks_by_name(language: Language) -> list[list[str]]:
    pairs: list[list[str]] = load("strange")[language]["ask"]
    return [
        pair for pair in pairs if not any(word in "".join(pair) for word in ("{verb}", "{noun}"))
    ]


def _any(rng: Random, language: Language) -> Offer:
    """Return a tool for any sentence; its name has a word of it, or none."""
    asked = sentence(rng, language)
    verb = asked.verb if language == "en" else word(rng, "en", "verb")
    spoken = asked.text.lower().split()
    nouns = [term for term in words("en", "noun") if term in spoken]
    noun = rng.choice(nouns) if nouns and rng.random() < 0.8 else _term(rng, "en", "noun")
    name = _identifier(rng, [*verb.split(), noun][: rng.choice((2, 2, 3))])
    about = fill(rng.choice(load("strange")[language]["about"]), {"verb": verb, "noun": noun})
    return _offer(rng, language, name, about, asked.kinds, asked.text, {}, asked.values)


def _strange(rng: Random, language: Language) -> Offer:
    verb, noun = (_term(rng, language, kind) for kind in ("verb", "noun"))
    name = _identifier(rng, [verb, noun])
    amount = rng.choice((1, 1, 2))
    names: list[str] = []
    while len(names) < amount:
        made = _identifier(rng, [_term(rng, "en", "noun") for _ in range(rng.choice((1, 1, 2)))])
        names += [made] if made not in names else []
    needs = {called: rng.choice(KINDS) for called in names}
    about = fill(rng.choice(load("strange")[language]["about"]), {"verb": verb, "noun": noun})
    ask = roughen(rng, rng.choice(load("strange")[language]["ask"])[amount - 1])
    return _offer(rng, language, name, about, needs, ask, {"verb": verb, "noun": noun})


def _term(rng: Random, language: Language, kind: str) -> str:
    """Return a word that may be part of a name; Chinese stays out of most names."""
    if rng.random() < 0.4:
        return pseudo(rng)
    if language == "zh" and rng.random() < 0.6:
        return rng.choice((rng.choice(words("zh", kind)), han(rng, 2)))
    return word(rng, "en", kind)


def _identifier(rng: Random, parts: list[str]) -> str:
    """Join words as programmers do; what is not ASCII gets a made-up name."""
    parts = [re.sub(r"[^a-z]", "", part.lower()) or pseudo(rng) for part in parts]
    style = rng.random()
    if style < 0.6:
        return "_".join(parts)
    if style < 0.85:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    return rng.choice(("", "-")).join(parts)


def _offer(
    rng: Random,
    language: Language,
    name: str,
    about: str,
    needs: dict[str, str],
    ask: str,
    blanks: dict[str, str],
    given_values: dict[str, Value] | None = None,
    choices: Mapping[str, list[str]] = MappingProxyType({}),
) -> Offer:
    values = blanks | {"tool": name}
    properties: dict[str, Any] = {}
    arguments: dict[str, Value] = {}
    for i, (called, sort) in enumerate(needs.items()):
        given = value(rng, language, sort) if given_values is None else given_values[called]
        values |= {f"{i}": said(given), f"p{i}": called}
        kind = rng.choice(_TYPES[type(given)])
        if not isinstance(given, str) and rng.random() < 0.25:
            kind, given = "string", said(given)
        if called in choices:
            properties[called] = choice(rng, language, called, choices[called])
        else:
            example = said(value(rng, language, sort))
            properties[called] = parameter(rng, language, called, kind, sort, example)
        arguments[called] = given
    if rng.random() < 0.4:
        order = rng.sample(list(properties), len(properties))
        properties = {name: properties[name] for name in order}
        arguments = {name: arguments[name] for name in order}
    made = schema(rng, name, about, properties, optional(rng, language, properties))
    return Offer(name, made, fill(ask, values), arguments)


def _alike(one: str, other: str) -> bool:
    """Whether two families have a name in common, but for what is done: `get_news`, `findNews`."""
    return not _subjects(one).isdisjoint(_subjects(other))


@functools.cache
def _subjects(family: str) -> frozenset[str]:
    names = [_WORD.findall(name) for name in family.split("|") if name]
    lower = [[word.lower() for word in name] for name in names]
    return frozenset(
        " ".join([word for word in name if word not in _VERBS] or name) for name in lower
    )


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


def distractors(
    rng: Random, language: Language, family: str = "", ask: str = ""
) -> list[dict[str, Any]]:
    """Return tools that are not like those of `family`, and of no use for `ask`."""
    found: list[dict[str, Any]] = []
    names: set[str] = set()
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        other = offer(rng, language)
        if other.name in names or _alike(other.family, family):
            continue
        if not (ask and _pattern(other.clash).search(ask)):
            names.add(other.name)
            found.append(other.schema)
    return found
