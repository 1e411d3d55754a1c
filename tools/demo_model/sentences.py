"""Sentences that ask for something to be done with one or two values, and names for the parameters.

A tool that nobody has seen in training is still used right if a value is recognised by what it
looks like and by what stands before it. So the words here are thrown together at random, and only
the kinds of values make sense.
"""

from dataclasses import dataclass
from random import Random

from tools.demo_model.phrases import fill, load
from tools.demo_model.task import Language
from tools.demo_model.values import Value, value
from tools.demo_model.words import blanks


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its values.

    Attributes:
        text: what the user says.
        verb: what is to be done, as a word of the sentence or another one.
        values: by the name of the parameter.
        kinds: of the values, likewise.
    """

    text: str
    verb: str
    values: dict[str, Value]
    kinds: dict[str, str]


def sentence(rng: Random, language: Language) -> Sentence:
    """Make a sentence with one or two values."""
    kinds = load("sentences")["kinds"]
    values: dict[str, Value] = {}
    sorts: dict[str, str] = {}
    parts = []
    for _ in range(rng.choice((1, 1, 2, 2, 2))):
        kind = rng.choice(list(kinds))
        name = rng.choice(kinds[kind]["names"])
        given = value(rng, language, kind)
        if name in values or str(given) in map(str, values.values()):
            continue
        values[name], sorts[name] = given, kind
        parts.append(fill(rng.choice(kinds[kind][language]), {"v": str(given)}))
    verb, text = _text(rng, language, parts)
    if rng.random() < 0.6 and not text.startswith(tuple(map(str, values.values()))):
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.3:
        rng.shuffle(names := list(values))
        values, sorts = {n: values[n] for n in names}, {n: sorts[n] for n in names}
    return Sentence(text, verb, values, sorts)


def _text(rng: Random, language: Language, parts: list[str]) -> tuple[str, str]:
    words, space = load("sentences")[language], " " if language == "en" else ""
    verb = rng.choice(words["verb"])
    thing = rng.choice(words["object"])
    if rng.random() < 0.35:
        lead = [fill(rng.choice(words["question"]), {"object": thing})]
    else:
        lead = [rng.choice(words["opener"]) + verb, thing]
    style = rng.random()
    if len(parts) == 2 and style < 0.2:
        pieces = [*lead[:1], parts[0], *lead[1:], parts[1]]
    elif style < 0.3:
        pieces = [
            parts[0] + rng.choice((",", ":") if language == "en" else ("，", "：")),
            *lead,
            *parts[1:],
        ]
    elif style < 0.5:
        pieces = [*lead, (" and " if language == "en" else "和").join(parts)]
    else:
        pieces = [*lead, *parts]
    text = space.join(piece for piece in pieces if piece)
    text += rng.choice(words["tail"]) + rng.choice(words["end"])
    text = fill(text, blanks(rng, language)).replace(" : ", ": ").replace("  ", " ")
    return verb, text
