"""Values that people write in flags and variables; each reader raises `ValueError` for others."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

Value = int | float | bool | str

_DTYPES = ("auto", "half", "float16", "bfloat16", "float", "float32")
_BOOLEANS: Mapping[str, bool] = MappingProxyType(
    {"1": True, "true": True, "0": False, "false": False}
)


def names(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Return what reads some of the known names, between commas."""

    def read(text: str) -> list[str]:
        given = list(dict.fromkeys(name.strip().lower() for name in text.split(",")))
        if not set(given) <= set(known):
            raise ValueError(f"one or more of {', '.join(known)} expected")
        return given

    return read


def count(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("a whole number from 1 expected")
    return int(text)


def fraction(text: str) -> float:
    """Read a number above 0, and not above 1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise ValueError("a number above 0, and not above 1, expected")
    return number


def boolean(text: str) -> bool:
    """Read 1 or 0, or a word for it."""
    if text.lower() not in _BOOLEANS:
        raise ValueError(f"one of {', '.join(_BOOLEANS)} expected")
    return _BOOLEANS[text.lower()]


def dtype(text: str) -> str:
    """Read a type of floating-point numbers, as vLLM and torch call it."""
    if text not in _DTYPES:
        raise ValueError(f"one of {', '.join(_DTYPES)} expected")
    return text
