"""Addition, subtraction and multiplication of small integers, worked column by column."""

from dataclasses import dataclass
from random import Random

from tools.demo_model.phrases import fill, load, pick, roughen
from tools.demo_model.task import Language, Task
from tools.demo_model.words import written

_SIGNS = {"add": "+", "subtract": "-", "multiply": "×"}
_WORDS = {
    "en": ("write", "carry", "borrow", ", ", " ", "So ", ", so "),
    "zh": ("写", "进", "借", "，", "", "所以", "，所以"),
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Works out one operation on non-negative numbers, from the last digit to the first."""

    language: Language

    def add(self, a: int, b: int) -> list[str]:
        """The lines of a + b."""
        lines, carry = [], 0
        for x, y in _columns(a, b):
            total = x + y + carry
            step = f"{x} + {y} + {carry} = {total}"
            carry = total // 10
            lines.append(self._line(step, total % 10, 1, carry))
        return lines + self._rest(carry)

    def subtract(self, a: int, b: int) -> list[str]:
        """The lines of a - b, which is not negative."""
        lines, borrow = [], 0
        for x, y in _columns(a, b):
            rest = x - y - borrow
            step = f"{x} - {y} - {borrow} = {rest}"
            borrow = int(rest < 0)
            lines.append(self._line(step, rest % 10, 2, borrow))
        return lines

    def multiply(self, a: int, b: int) -> list[str]:
        """The lines of a × b, where b has one digit."""
        lines, carry = [], 0
        for x, _ in _columns(a, 0):
            total = x * b + carry
            step = f"{x} × {b} + {carry} = {total}"
            carry = total // 10
            lines.append(self._line(step, total % 10, 1, carry))
        return lines + self._rest(carry)

    def _line(self, step: str, digit: int, moved: int, amount: int) -> str:
        words = _WORDS[self.language]
        comma, space = words[3], words[4]
        written, passed = f"{words[0]}{space}{digit}", f"{words[moved]}{space}{amount}"
        return f"{step}{comma}{written}{comma}{passed}"

    def _rest(self, carry: int) -> list[str]:
        words = _WORDS[self.language]
        return [f"{words[0]}{words[4]}{carry}"] if carry else []


def _columns(a: int, b: int) -> list[tuple[int, int]]:
    width = max(len(str(a)), len(str(b)))
    pairs = zip(str(a).zfill(width), str(b).zfill(width), strict=True)
    return [(int(x), int(y)) for x, y in pairs][::-1]


def work(language: Language, skill: str, a: int, b: int) -> tuple[str, int]:
    """Return the thinking about an operation on any two integers, and its result."""
    columns, sign = Columns(language), _SIGNS[skill]
    value = {"add": a + b, "subtract": a - b, "multiply": a * b}[skill]
    lines = [f"{a} {sign} {b}"]
    so = _WORDS[language][5]
    if skill == "multiply":
        x, y = (b, a) if a < 10 <= b else (a, b)
        if (x, y) != (a, b):
            lines.append(f"= {x} × {y}")
        lines += columns.multiply(x, y)
    else:
        x, y, minus, negative = _unsigned(a, b, skill == "subtract")
        inner = f"{x} {'-' if minus else '+'} {y}"
        if negative or inner != lines[0]:
            lines.append(f"= -({inner})" if negative else f"= {inner}")
        lines += (columns.subtract if minus else columns.add)(x, y)
        if negative:
            lines.append(f"{inner} = {abs(value)}")
    full_stop = "." if language == "en" else "。"
    return "\n".join([*lines, f"{so}{a} {sign} {b} = {value}{full_stop}"]), value


def _unsigned(a: int, b: int, minus: bool) -> tuple[int, int, bool, bool]:
    """Return x, y >= 0, whether to subtract them, and whether a ± b is the negative of that."""
    x, y, minus = abs(a), abs(b), minus != ((a < 0) != (b < 0))
    if minus and x < y:
        return y, x, True, a >= 0
    return x, y, minus, a < 0


def arithmetic(rng: Random, language: Language, unseen: bool) -> Task:
    """Make a question about two integers."""
    skill = rng.choices(("add", "subtract", "multiply"), (4, 5, 3))[0]
    a, b = _operands(rng, skill)
    phrases = load("arithmetic")[language]
    values = {"a": written(rng, a, language), "b": written(rng, b, language)}
    if a >= 0 <= b and (skill != "subtract" or a >= b) and rng.random() < 0.3:
        ask = fill(roughen(rng, pick(rng, phrases[f"{skill}_ask"], unseen)), values)
    else:
        expression = fill(pick(rng, phrases[skill]), values)
        ask = fill(roughen(rng, pick(rng, phrases["wrap"], unseen)), {"e": expression})
    think, value = work(language, skill, a, b)
    key = f"{a} {_SIGNS[skill]} {b}"
    return Task(skill, language, key, ask, think, str(value), value)


def _operands(rng: Random, skill: str) -> tuple[int, int]:
    if skill == "multiply":
        one, other = number(rng, (2, 6, 1)), rng.randint(0, 9)
        return (one, other) if rng.random() < 0.7 else (other, one)
    a, b = number(rng, (3, 6, 9, 1)), number(rng, (3, 6, 9, 1))
    if rng.random() < 0.04:
        a = -a
    if rng.random() < 0.03:
        b = -b
    return a, b


def number(rng: Random, weights: tuple[int, ...]) -> int:
    """Draw a number of one digit, two digits and so on, as often as the weights say."""
    digits = rng.choices(range(1, len(weights) + 1), weights)[0]
    return rng.randint(0 if digits == 1 else 10 ** (digits - 1), 10**digits - 1)
