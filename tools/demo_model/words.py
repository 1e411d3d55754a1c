"""Words of `phrases/words.toml`, words that do not exist, and numbers in words."""

import functools
import string
from collections.abc import Sequence
from random import Random

from tools.demo_model.phrases import load

_COMMON_CHARACTERS = [
    bytes([high, low]).decode("gb2312") for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF)
]


@functools.cache
def words(language: str, kind: str) -> tuple[str, ...]:
    """Return all words of one kind."""
    text: str = load("words")[language][kind]
    if kind == "code":
        return tuple(text.split(" | "))
    return tuple(word.replace("_", " ") for word in text.split())


def random_text(rng: Random, characters: Sequence[str], length: int) -> str:
    """Return so many characters, each drawn by itself."""
    return "".join(rng.choice(characters) for _ in range(length))


def pseudo(rng: Random, syllables: int = 0) -> str:
    """Return a word that does not exist, in lower case."""
    if rng.random() < 0.25:
        return random_text(rng, string.ascii_lowercase, rng.randint(2, 9))
    count = syllables or rng.choice((1, 2, 2, 2, 3, 3, 4))
    sounds = load("words")["sounds"]
    made = "".join(
        rng.choice(sounds["starts"]) + rng.choice(sounds["vowels"]) for _ in range(count)
    )
    return made + str(rng.choice(sounds["ends"]))


def han(rng: Random, length: int = 0) -> str:
    """Return Chinese characters that mean nothing together."""
    return random_text(rng, _COMMON_CHARACTERS, length or rng.randint(1, 4))


def word(rng: Random, language: str, kind: str) -> str:
    """Return a word of a kind; one of three does not exist."""
    if language == "zh" and kind == "name" and rng.random() < 0.6:
        return str(rng.choice(load("words")["sounds"]["surnames"])) + han(
            rng, rng.choice((1, 2, 2))
        )
    if rng.random() < 0.67:
        return rng.choice(words(language, kind))
    if language == "zh" and rng.random() < 0.8:
        return han(rng, rng.randint(2, 3))
    made = pseudo(rng)
    return made.capitalize() if kind in ("name", "place") else made


def blanks(rng: Random, language: str) -> dict[str, str]:
    """Return one value for every blank that phrases have in common."""
    values = {
        kind: word(rng, language, kind)
        for kind in ("name", "place", "noun", "adjective", "verb", "topic")
    }
    values |= {f"{kind}2": word(rng, language, kind) for kind in ("name", "place", "noun")}
    values["code"] = rng.choice(words(language, "code"))
    junk = f"{string.ascii_lowercase}{string.digits}!?#;"
    values["junk"] = random_text(rng, junk, rng.randint(2, 12))
    values["han"] = han(rng)
    values |= {name: str(rng.randint(10, 3000)) for name in ("number", "number2")}
    values |= {name: str(rng.randint(2, 12)) for name in ("small", "small2")}
    values |= {name: str(rng.randint(10_000, 99_999_999)) for name in ("big", "big2")}
    return values


def spelled(number: int, language: str) -> str:
    """Return a number from 0 to 100 in words."""
    if number == 100:
        return {"en": "one hundred", "zh": "一百"}[language]
    numbers = load("words")["numbers"]
    ones, (ten, one) = numbers[language], divmod(number, 10)
    if number < len(ones):
        return str(ones[number])
    if language == "zh":
        return f"{ones[ten] if ten > 1 else ''}十{ones[one] if one else ''}"
    return f"{numbers['tens'][ten - 2]}{f'-{ones[one]}' if one else ''}"


def written(rng: Random, number: int, language: str) -> str:
    """Return a number as people write it: now and then in words."""
    if 0 <= number <= 100 and rng.random() < 0.06:
        return spelled(number, language)
    return str(number)
