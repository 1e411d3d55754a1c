"""What a request says about its tools: JSON schemas with names, types and descriptions."""

import functools
from random import Random
from typing import Any

from tools.demo_model.phrases import fill, load
from tools.demo_model.task import Language

_OPTIONAL = ("units", "limit", "verbose", "format", "lang", "mode", "page", "options", "timezone")


def optional(rng: Random, language: Language, properties: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter that nobody asks for, or none."""
    extra = rng.choice(_OPTIONAL)
    if rng.random() > 0.15 or extra in properties:
        return {}
    kind = rng.choice(("string", "boolean"))
    return {extra: parameter(rng, language, extra, kind, "nonsense", "")}


def parameter(
    rng: Random, language: Language, name: str, kind: str, sort: str, example: str
) -> dict[str, Any]:
    """Return the schema of a parameter of a JSON type, for values of a sort such as `example`."""
    made: dict[str, Any] = {"type": kind}
    if rng.random() < 0.7:
        language = rng.choice(("en", language, language))
        about = load("parameters")[language]
        phrase = rng.choice(about[sort] if rng.random() < 0.7 else about["any"])
        words = {"p": name.replace("_", " "), "x": example, "g": _in_chinese(name)}
        made["description"] = fill(phrase, words)
    if kind == "string" and name in ("unit", "units", "scale") and rng.random() < 0.5:
        made["enum"] = ["celsius", "fahrenheit"]
    return made


def _in_chinese(name: str) -> str:
    """Return the first part of a parameter's name that there is a Chinese word for, or the name."""
    known = _chinese_words()
    return next((known[part] for part in name.split("_") if part in known), name)


@functools.cache
def _chinese_words() -> dict[str, str]:
    pairs = load("parameters")["zh"]["words"].split("|")
    return dict(pair.split() for pair in pairs)


def choice(rng: Random, language: Language, name: str, choices: list[str]) -> dict[str, Any]:
    """Return the schema of a parameter that has one of some values, which it may list."""
    made = parameter(rng, language, name, "string", "choice", rng.choice(choices))
    if rng.random() < 0.7:
        made["enum"] = rng.sample(choices, len(choices))
    return made


def schema(
    rng: Random, name: str, about: str, properties: dict[str, Any], extra: dict[str, Any]
) -> dict[str, Any]:
    """Return a tool as a request offers it; nobody has to give what is `extra`."""
    parameters = {"type": "object", "properties": properties | extra}
    if rng.random() < 0.9:
        parameters["required"] = list(properties)
    function: dict[str, Any] = {"name": name, "parameters": parameters}
    if rng.random() < 0.9:
        function["description"] = about
    return {"type": "function", "function": function}
