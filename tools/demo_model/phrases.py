"""The phrases of `phrases/`: choosing, filling and roughening them.

A phrase may leave choices, `[What is|What's] {e}[?|]`. Of the wordings that come of two choices or
more, one in eight is kept for evaluation, so that wording never trained on can be measured.
"""

import functools
import re
import tomllib
import zlib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

_KEPT_PARTS = 8
_SALT = "r"  # with it, what everybody tries first is not kept from training
_FOLDER = Path(__file__).with_name("phrases")
_BLANK = re.compile(r"(\{\w+\})")
_CHOICE = re.compile(r"\[([^\[\]|]*(?:\|[^\[\]|]*)+)\]")
_PATIENCE = 50
_HALF_WIDTH = str.maketrans("？！，：（）", "?!,:()")
_SMALL_WORDS = frozenset("a an the is are of me you please to for do can could i it this".split())  # noqa: SIM905


@functools.cache
def load(name: str) -> dict[str, Any]:
    """Return one file of phrases."""
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def files(folder: str) -> list[str]:
    """Return the files in one folder of phrases, as `load` takes them."""
    return sorted(f"{folder}/{path.stem}" for path in (_FOLDER / folder).glob("*.toml"))


def pick(rng: Random, phrases: Sequence[str], unseen: bool = False) -> str:
    """Choose a phrase and its wording: one for training, or one `unseen` in it, if one is found."""
    for _ in range(_PATIENCE):
        open_phrase = rng.choice(phrases)
        phrase = _CHOICE.sub(lambda found: rng.choice(found[1].split("|")), open_phrase)
        rich = len(_CHOICE.findall(open_phrase)) > 1
        if (rich and is_kept(phrase, _KEPT_PARTS)) is unseen:
            break
    return phrase


def is_kept(text: str, parts: int) -> bool:
    """Whether a text is one of those, one in so many, that are kept for evaluation."""
    return zlib.crc32((_SALT + text.strip().lower()).encode()) % parts == 0


def fill(phrase: str, values: dict[str, str]) -> str:
    """Put values into the blanks of a phrase; a blank without a value stays."""
    return "".join(
        values.get(part[1:-1], part) if part.startswith("{") else part
        for part in _BLANK.split(phrase)
    )


def roughen(rng: Random, phrase: str) -> str:
    """Write a phrase as people do: without capitals or full stop, sometimes with a slip."""
    if rng.random() < 0.25:
        phrase = phrase[:1].lower() + phrase[1:]
    if rng.random() < 0.25:
        phrase = phrase.rstrip("?.!？。！")
    if rng.random() < 0.3:
        phrase = phrase.translate(_HALF_WIDTH)
    if rng.random() < 0.03:
        phrase = phrase.lower()
    if rng.random() < 0.05:
        parts = _BLANK.split(phrase)
        parts[::2] = [_slip(rng, part) for part in parts[::2]]
        phrase = "".join(parts)
    if rng.random() < 0.05:
        phrase = _without_a_word(rng, phrase)
    if rng.random() < 0.02:
        phrase = _shout(phrase)
    return phrase or "?"


def _slip(rng: Random, text: str) -> str:
    places = [i for i in range(len(text) - 1) if text[i : i + 2].isascii() and text[i].isalpha()]
    if not places or rng.random() < 0.3:
        return text
    i = rng.choice(places)
    if rng.random() < 0.5 and text[i + 1].isalpha():
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return text[:i] + text[i + 1 :]


def _without_a_word(rng: Random, phrase: str) -> str:
    words = phrase.split(" ")
    small = [i for i, word in enumerate(words) if word.lower() in _SMALL_WORDS]
    if small:
        del words[rng.choice(small)]
    return " ".join(words)


def _shout(phrase: str) -> str:
    parts = _BLANK.split(phrase)
    parts[::2] = [part.upper() for part in parts[::2]]
    return "".join(parts)
